"""A Docker engine: the one that answers, or one of our own from Debian's packages.

Our own keeps its images under build/engine, so that a second run finds its layers again, and
what lives as long as it does in /run/facenet-engine (a socket's path has at most 107 bytes). That
folder is one for the machine, and so is the engine: two would both give away the addresses of
the bridge docker0.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from container.leftovers import clear
from container.shell import BUILD, CommandError, run, say, succeeds

PACKAGES = ("docker.io", "mmdebstrap", "iptables", "ca-certificates")
HOME = Path("/run/facenet-engine")
LOCK = HOME.with_suffix(".lock")
START_SECONDS = 60.0


class EngineUnavailableError(RuntimeError):
    """No Docker engine answers and none can be started here; the message says why."""


def docker(*arguments: str, timeout: float = 1800, merged: bool = False) -> str:
    """Standard output of the Docker client, and standard error too where they are `merged`.

    Raises:
        CommandError: the client failed.
    """
    return run([client(), *arguments], timeout=timeout, merged=merged)


def client() -> str:
    """Path of the Docker client; Debian's own comes first, since it can build without plugins."""
    debian = Path("/usr/bin/docker")
    found = str(debian) if debian.is_file() else shutil.which("docker")
    if found is None:
        raise EngineUnavailableError("there is no Docker client")
    return found


@contextmanager
def engine() -> Iterator[str]:
    """Gives the address of an engine that answers, in DOCKER_HOST too; stops what it started.

    Raises:
        EngineUnavailableError: there is none and this machine cannot make one.
    """
    if _answers():
        yield os.environ.get("DOCKER_HOST", "")
        return
    _install()
    before = os.environ.get("DOCKER_HOST")
    with _only_one():
        clear(HOME)
        try:
            daemon = _start()
            try:
                yield os.environ["DOCKER_HOST"]
            finally:
                _remove_networks()
                _stop(daemon)
        finally:
            _restore(before)
            shutil.rmtree(HOME, ignore_errors=True)


def at_hand() -> bool:
    """Whether an engine answers, or one of our own has run here and may hold images."""
    return _answers() or (BUILD / "engine" / "data").is_dir()


def _answers() -> bool:
    try:
        return succeeds([client(), "version"])
    except EngineUnavailableError:
        return False


def _install() -> None:
    """Docker and mmdebstrap from Debian's archive, where they are not there yet."""
    missing = [name for name in ("dockerd", "mmdebstrap", "iptables") if not shutil.which(name)]
    if os.geteuid() != 0:
        raise EngineUnavailableError("no Docker engine answers, and only root can start one")
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise EngineUnavailableError(
            f"no Docker engine answers, and without apt there is no {missing}"
        )
    say(f"apt-get install {' '.join(PACKAGES)}")
    quiet = ["-o", "DPkg::Lock::Timeout=600", "-qq", "-y"]
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(["apt-get", *quiet, "update"], env=environment)
        run(["apt-get", *quiet, "install", "--no-install-recommends", *PACKAGES], env=environment)
    except CommandError as failed:
        raise EngineUnavailableError(f"Debian's Docker cannot be installed: {failed}") from failed


@contextmanager
def _only_one() -> Iterator[None]:
    """Waits until no other process has an engine of its own."""
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for the engine of another checkout to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start() -> subprocess.Popen[bytes]:
    """A dockerd in a session of its own, once it answers."""
    say("starting dockerd")
    HOME.mkdir(mode=0o700, exist_ok=True)
    kept = BUILD / "engine"
    kept.mkdir(parents=True, exist_ok=True)
    host = f"unix://{HOME}/docker.sock"
    log = (kept / "dockerd.log").open("wb")
    daemon = subprocess.Popen(  # noqa: S603
        [  # noqa: S607
            "dockerd",
            f"--host={host}",
            f"--data-root={kept / 'data'}",
            f"--exec-root={HOME / 'exec'}",
            f"--pidfile={HOME / 'dockerd.pid'}",
            "--storage-driver=overlay2",
            "--ip=127.0.0.1",
        ],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    log.close()
    os.environ["DOCKER_HOST"] = host
    try:
        _wait_for(daemon, kept / "dockerd.log")
    except BaseException:  # an interrupt, too: it is in a session of its own and would go on
        _stop(daemon)
        raise
    return daemon


def _wait_for(daemon: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers. Raises EngineUnavailableError where it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not _answers():
        if daemon.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-2000:]
            raise EngineUnavailableError(f"dockerd does not start here:\n{tail}")
        time.sleep(0.5)


def _remove_networks() -> None:
    """Bridges stay behind otherwise, one for each checkout, until no subnet is left."""
    with suppress(CommandError):
        docker("network", "prune", "--force", timeout=60)


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    """Ends the daemon by its process id; its containerd ends with it."""
    if daemon.poll() is None:
        say("stopping dockerd")
        daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(timeout=60)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _restore(host: str | None) -> None:
    if host is None:
        os.environ.pop("DOCKER_HOST", None)
    else:
        os.environ["DOCKER_HOST"] = host
