"""The base image and the two targets of the Dockerfile."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from container.engine import client, docker
from container.shell import BUILD, ROOT, SAM, run, say, succeeds

BASE = "debian:bookworm-slim"
NAME = "facenet-lambda"
TARGETS = ("litert", "tensorflow")
# Images that lack what makes the start fast, for bench/cold_start: name -> the build's STEPS.
UNFINISHED = {"untrimmed": "", "trimmed": "trim"}
# What mmdebstrap leaves out to come close to the published slim image.
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
_PIP = "[global]\\ncert = /etc/ssl/certs/ca-certificates.crt\\ndefault-timeout = 180\\n"


def ensure_base(tag: str = BASE) -> None:
    """Has the base image: found, pulled, or made from Debian's archive.

    Raises:
        CommandError: none of the three works.
    """
    if succeeds([client(), "image", "inspect", tag]):
        return
    if succeeds([client(), "pull", "--quiet", tag], timeout=300):
        say(f"pulled {tag}")
        return
    say(f"{tag} cannot be pulled: making it with mmdebstrap")
    make_base(tag)


def make_base(tag: str) -> None:
    """Imports a minimal bookworm under `tag`, with this host's additional certificates in it."""
    BUILD.mkdir(exist_ok=True)
    archive = BUILD / "base.tar"
    local = "/usr/local/share/ca-certificates"
    command = ["mmdebstrap", "--variant=minbase", "--include=ca-certificates"]
    command += ['--aptopt=Acquire::Check-Valid-Until "false"']
    command += ['--aptopt=APT::Install-Recommends "false"']
    command += [f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT]
    command += [
        f'--customize-hook=mkdir -p "$1{local}" && '
        f'(cp {local}/*.crt "$1{local}/" 2>/dev/null || true) && '
        'chroot "$1" update-ca-certificates >/dev/null',
        f"--customize-hook=printf '{_PIP}' > \"$1/etc/pip.conf\"",
        '--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin',
        "bookworm",
        str(archive),
    ]
    run(command)
    docker("import", "--change", 'CMD ["bash"]', str(archive), tag)
    archive.unlink()


def build(target: str, *, base: str = BASE) -> str:
    """Builds one target of the Dockerfile and gives its tag."""
    return _build(target, target, {"BASE": base})


def build_unfinished(name: str, *, base: str = BASE) -> str:
    """Builds `litert` without some of its steps (see UNFINISHED) and gives its tag."""
    return _build("litert", name, {"BASE": base, "STEPS": UNFINISHED[name]})


def _build(target: str, name: str, arguments: Mapping[str, str]) -> str:
    """Through the Python client of SAM's environment.

    `sam build` finds the layers again only if they were sent the same way.
    """
    tag = f"{NAME}:{name}"
    say(f"building {tag}")
    command = [str(SAM / "bin/python"), str(Path(__file__).with_name("sdk_build.py"))]
    log = run([*command, str(ROOT), target, tag, json.dumps(arguments)], timeout=3600)
    (BUILD / f"build-{name}.log").write_text(log)
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
        [client(), "save", tag], stdout=subprocess.PIPE
    ) as save:
        packed = subprocess.run(  # noqa: S602
            "gzip -6 | wc -c",  # noqa: S607
            shell=True,
            stdin=save.stdout,
            capture_output=True,
            check=True,
        )
    return int(packed.stdout)
