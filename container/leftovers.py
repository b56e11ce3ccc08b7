"""Clears away what a killed engine has left: it had no time to stop its containers.

The network namespace of a container outlives it as a mount, with the container's address on the
engine's bridge. The next engine gives that address away again, and what is sent to the new
container now and then reaches nobody.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from container.shell import run, say

STOP_SECONDS = 60.0


def clear(home: Path) -> None:
    """Ends the processes of the engine whose folder `home` is, its mounts, and the folder itself.

    Raises:
        CommandError: a mount cannot be ended.
    """
    if not home.exists():
        return
    say(f"clearing what a killed engine left in {home}")
    _stop_daemon(home / "dockerd.pid")
    points = mount_points(home)
    for process in processes(home, points):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    for point in reversed(points):
        run(["umount", "--lazy", str(point)])
    shutil.rmtree(home)


def mount_points(home: Path) -> list[Path]:
    """What is mounted below `home`, in the order in which it was mounted."""
    # Field 5 of proc_pid_mountinfo(5); our own names hold none of the characters it escapes.
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [Path(line.split()[4]) for line in lines]
    return [point for point in points if home in point.parents]


def _stop_daemon(pid_file: Path) -> None:
    """A daemon whose parent alone was killed still stops its containers, if it is asked to."""
    try:
        daemon = int(pid_file.read_text())
    except (OSError, ValueError):
        return
    if _name(daemon) != "dockerd":
        return
    os.kill(daemon, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _name(daemon) == "dockerd" and time.monotonic() < deadline:
        time.sleep(0.2)


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def processes(home: Path, points: list[Path]) -> Iterator[int]:
    """Those with `home` on their command line (containerd and its shims), or in its networks."""
    # An engine has the machine's own network among its mounts.
    networks = {_identity(point) for point in points} - {_identity(Path("/proc/self/ns/net"))}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it has ended meanwhile
            command = (entry / "cmdline").read_bytes()
            if f"{home}/".encode() in command or _identity(entry / "ns/net") in networks:
                yield int(entry.name)


def _identity(path: Path) -> tuple[int, int]:
    """Device and inode: the same for a namespace wherever it is named."""
    status = path.stat()
    return status.st_dev, status.st_ino
