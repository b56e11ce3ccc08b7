"""One target under libFuzzer: `python -m fuzz.worker TARGET [libFuzzer's arguments]`."""

import sys

import atheris

with atheris.instrument_imports(include=["align", "handler", "model_layer", "multipart", "fuzz"]):
    import multipart  # noqa: F401 - the function imports it late; it has to be measured from here

    from fuzz.targets import TARGETS


def main() -> None:
    """Hands the target to libFuzzer, which ends the process."""
    target = TARGETS[sys.argv.pop(1)]

    def run(data: bytes) -> None:
        target(data)

    atheris.Setup(sys.argv, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
