"""Command line: `python -m container {test,build,audit}`."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys

from container import images, sam
from container.audit import audit
from container.engine import EngineUnavailableError, engine
from container.shell import ROOT, TOOLS, run, say


def main() -> int:
    """Runs one command; without an engine only tests are skipped, and not in CI."""
    parser = argparse.ArgumentParser(prog="python -m container", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build the images")
    build.add_argument("--target", choices=images.TARGETS, action="append")
    test = commands.add_parser("test", help="build the images and run tests/container")
    test.add_argument("--target", choices=images.TARGETS, action="append")
    test.add_argument("pytest", nargs="*", help="options for pytest, after --")
    commands.add_parser("local-api", help="serve the image with `sam local start-api`")
    check = commands.add_parser("audit", help="known vulnerabilities of the locked packages")
    check.add_argument("--audit-python", required=True)
    arguments = parser.parse_args()
    if arguments.command == "audit":
        return audit(arguments.audit_python)
    # An exit, so that what was started is stopped.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with engine():
            if arguments.command == "local-api":
                return _local_api()
            tags = _build(arguments.target or list(images.TARGETS))
            return _test(tags, arguments.pytest) if arguments.command == "test" else 0
    except EngineUnavailableError as reason:
        say(f"skipped: {reason}")
        return 0 if arguments.command == "test" and not os.environ.get("CI") else 1


def _build(targets: list[str]) -> dict[str, str]:
    """Target -> tag of its image."""
    run(["make", f"{TOOLS}/sam/.stamp"])
    images.ensure_base()
    tags = {target: images.build(target) for target in targets}
    for tag in tags.values():
        say(f"{tag}: {images.size(tag) / 1e6:.0f} MB")
    return tags


def _local_api() -> int:
    """Serves until it is interrupted."""
    _build(["litert"])
    sam.sam("build")
    with sam.start_api() as address:
        say(f"{address} (Ctrl-C ends it)")
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


def _test(tags: dict[str, str], options: list[str]) -> int:
    """Runs tests/container against the images."""
    variables = {"FACENET_IMAGE": tags.get("litert", "")}
    variables["FACENET_IMAGE_TENSORFLOW"] = tags.get("tensorflow", "")
    command = [sys.executable, "-m", "pytest", "-m", "container", "tests/container", *options]
    say("testing")
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False)  # noqa: S603
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
