"""Names the packages that a command lacks and how to install them, instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def packages_of(target: str) -> Iterator[None]:
    """Around imports that `make run` does not install; `target` is the make target that does.

    Exits, naming the package and what installs it, where an import fails.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        raise SystemExit(
            f"the package {missing.name} is not installed; `make {target} ARGS=--help` installs it"
        ) from missing
