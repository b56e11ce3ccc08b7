"""Command line: `python -m container {test,build,shell}`."""

from __future__ import annotations

import argparse
import os
import sys

from container import images
from container.engine import EngineUnavailable, engine
from container.shell import say


def main() -> int:
    """Runs one command; without an engine, tests are skipped with the reason, but not in CI."""
    parser = argparse.ArgumentParser(prog="python -m container", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build the images")
    build.add_argument("--target", choices=images.TARGETS, action="append")
    arguments = parser.parse_args()
    try:
        with engine():
            return _build(arguments.target or list(images.TARGETS))
    except EngineUnavailable as reason:
        say(f"skipped: {reason}")
        return 1 if os.environ.get("CI") else 0


def _build(targets: list[str]) -> int:
    images.ensure_base()
    for target in targets:
        tag = images.build(target)
        say(f"{tag}: {images.size(tag) / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
