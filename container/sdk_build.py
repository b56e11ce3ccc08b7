"""Builds one target with the Docker client of SAM's environment, whose Python runs this.

python container/sdk_build.py FOLDER TARGET TAG BUILD_ARGUMENTS_AS_JSON
"""

import json
import sys

import docker
from docker.errors import BuildError


def main(folder: str, target: str, tag: str, arguments: str) -> int:
    """Builds, and prints what the engine says; status 1 where the build fails."""
    client = docker.from_env(timeout=3600)
    try:
        _, log = client.images.build(
            path=folder, target=target, tag=tag, buildargs=json.loads(arguments), rm=True
        )
    except BuildError as failed:
        print(*(line.get("stream", line) for line in failed.build_log), failed, sep="")
        return 1
    print(*(line.get("stream", "") for line in log), sep="")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
