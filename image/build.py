"""Builds the container images with the Docker engine that answers.

python -m image.build --target litert
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping

from image.commands import (
    BUILD,
    CommandError,
    EngineUnavailableError,
    docker,
    require_engine,
    say,
)

NAME = "facenet-lambda"
TARGETS = ("litert", "tensorflow")


def main(arguments: list[str] | None = None) -> int:
    """Builds the targets asked for and prints their sizes; 1 where that is impossible."""
    parser = argparse.ArgumentParser(prog="python -m image.build", description=__doc__)
    parser.add_argument("--target", choices=TARGETS, action="append", help="default: both")
    options = parser.parse_args(arguments)
    try:
        require_engine()
        for target in options.target or TARGETS:
            tag = build(target)
            say(f"{tag}: {size(tag) / 1e6:.0f} MB")
    except (CommandError, EngineUnavailableError) as failure:
        print(f"cannot build the images: {failure}", file=sys.stderr)
        return 1
    return 0


def build(target: str, name: str | None = None, arguments: Mapping[str, str] | None = None) -> str:
    """Builds one target of the Dockerfile and returns its tag.

    Args:
        name: The tag's name; the target's own by default.
        arguments: Build arguments of the Dockerfile.

    Raises:
        CommandError: the build failed.
    """
    tag = f"{NAME}:{name or target}"
    say(f"building {tag}")
    command = ["build", "--target", target, "--tag", tag]
    for key, value in (arguments or {}).items():
        command += ["--build-arg", f"{key}={value}"]
    log = docker(*command, ".", timeout=3600, merged=True)
    BUILD.mkdir(exist_ok=True)
    (BUILD / f"build-{name or target}.log").write_text(log)
    return tag


def entry_point(tag: str) -> list[str]:
    """The command that an image starts with."""
    form = "[{{json .Config.Entrypoint}}, {{json .Config.Cmd}}]"
    entry, command = json.loads(docker("image", "inspect", "--format", form, tag))
    return [*entry, *command]


def size(tag: str) -> int:
    """Bytes of an image on disk."""
    return int(docker("image", "inspect", "--format", "{{.Size}}", tag))


def compressed_size(tag: str) -> int:
    """Bytes of an image as a registry would hold it (gzip)."""
    with subprocess.Popen(  # noqa: S603
        ["docker", "save", tag],  # noqa: S607
        stdout=subprocess.PIPE,
    ) as save:
        packed = subprocess.run(  # noqa: S602
            "gzip -6 | wc -c",  # noqa: S607
            shell=True,
            stdin=save.stdout,
            capture_output=True,
            check=True,
        )
    return int(packed.stdout)


if __name__ == "__main__":
    sys.exit(main())
