"""An arm64 machine in user space: qemu, Debian's Python, and the function's own pinned packages.

It needs no Docker, no binfmt and no image. As root with apt it installs what is missing; what it
makes stays in build/arm64.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build/arm64"
QEMU = "qemu-aarch64-static"
PACKAGES = ("qemu-user-static", "mmdebstrap")
LIBRARIES = "python3.11,libstdc++6,libgcc-s1,zlib1g"
LOCK = ROOT / "requirements/run.txt"
PLATFORMS = ("2_28", "2_27", "2_26", "2_24", "2_17")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Graviton2's cores are Neoverse N1. `max` turns on everything that qemu knows, SME among it.
GRAVITON2, EVERYTHING = "neoverse-n1", "max"
# LiteRT reads /proc/cpuinfo, and crashes on an x86 processor's. qemu looks below its -L first.
CPU = """processor\t: {number}
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc \
dcpop asimddp ssbs
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1

"""


def cpuinfo() -> str:
    """What /proc/cpuinfo says on a Neoverse N1 with two cores."""
    return "".join(CPU.format(number=number) for number in range(2))


class MachineError(RuntimeError):
    """The machine cannot be made here; the message says what is missing."""


def run(words: Sequence[str], cpu: str = GRAVITON2, **variables: str) -> str:
    """What a Python program of the repository prints on arm64. Raises CalledProcessError.

    Args:
        words: the program and its arguments, as after `python -m`.
        cpu: qemu's name of the processor.
        variables: environment, beside an empty one.
    """
    python = FOLDER / "rootfs/usr/bin/python3.11"
    start = f"import runpy, sys; sys.path[:0] = [{str(FOLDER / 'site')!r}, {str(ROOT)!r}]; "
    start += f"sys.argv[:] = {list(words)!r}; runpy.run_module({words[0]!r}, run_name='__main__')"
    command = [QEMU, "-cpu", cpu, "-L", FOLDER / "rootfs", python, "-I", "-S", "-c", start]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=variables, cwd=ROOT
    )
    if done.returncode:
        raise MachineError(f"exit status {done.returncode}: {done.stderr[-1000:]}")
    return done.stdout


def run_here(words: Sequence[str], **variables: str) -> str:
    """What the same program prints on this machine's own processor. Raises CalledProcessError."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, **variables},
    )
    return done.stdout


def prepare() -> None:
    """Makes the machine, where it is not there yet. Raises MachineError."""
    install_tools()
    FOLDER.mkdir(parents=True, exist_ok=True)
    make_root(FOLDER / "rootfs")
    install_packages(FOLDER / "site")


def install_tools() -> None:
    if shutil.which(QEMU) and shutil.which("mmdebstrap"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise MachineError(f"needs {' and '.join(PACKAGES)} (as root, apt installs them)")
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    subprocess.run(command, check=True)


def make_root(folder: Path) -> None:
    """Debian's Python for arm64 and its libraries, unpacked."""
    if (folder / "proc/cpuinfo").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    sources = FOLDER / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {mirror()} bookworm main\n")
    command = ["mmdebstrap", "--arch=arm64", "--variant=extract", f"--include={LIBRARIES}"]
    done = subprocess.run(
        [*command, "bookworm", str(folder), str(sources)], capture_output=True, text=True
    )
    if done.returncode:
        raise MachineError(f"mmdebstrap: {done.stderr[-500:]}")
    (folder / "proc").mkdir(exist_ok=True)
    (folder / "proc/cpuinfo").write_text(cpuinfo())


def mirror() -> str:
    """Where this machine's own apt finds Debian."""
    for path in sorted(Path("/etc/apt/sources.list.d").glob("*.sources")):
        for line in path.read_text().splitlines():
            if line.startswith("URIs:"):
                return line.split()[1]
    return "http://deb.debian.org/debian"


def install_packages(folder: Path) -> None:
    """The wheels of requirements/run.txt for arm64, digests checked."""
    stamp = folder / ".lock"
    if stamp.exists() and stamp.read_bytes() == LOCK.read_bytes():
        return
    shutil.rmtree(folder, ignore_errors=True)
    platforms = [f"manylinux_{name}_aarch64" for name in PLATFORMS]
    platforms += ["manylinux2014_aarch64", "any"]
    command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    command += ["--target", str(folder), "--only-binary=:all:", "--no-deps", "--require-hashes"]
    command += ["--python-version", "3.11", "--implementation", "cp", "-r", str(LOCK)]
    for platform in platforms:
        command += ["--platform", platform]
    for abi in ("cp311", "abi3", "none"):
        command += ["--abi", abi]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise MachineError(f"pip: {done.stderr[-500:]}")
    shutil.copy(LOCK, stamp)
