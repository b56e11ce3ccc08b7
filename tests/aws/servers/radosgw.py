"""A real S3 server for tests: a Ceph cluster of one node, kept in memory, with its gateway.

Ceph comes from the distribution (ceph-mon, ceph-osd, ceph-mgr, radosgw, ceph-common). Every daemon
runs in the foreground under our own process id and is stopped by it; ports are free ones.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from container.sam import free_port

PACKAGES = ("ceph-mon", "ceph-osd", "ceph-mgr", "radosgw", "ceph-common")
PROGRAMS = ("ceph-mon", "ceph-osd", "ceph-mgr", "radosgw", "ceph", "radosgw-admin", "monmaptool")
START_TIMEOUT = 90.0

CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{mon_port}
ms bind ipv4 = true
ms bind ipv6 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
mon client hunt interval = 1
auth allow insecure global id reclaim = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 1
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 2147483648
run dir = {folder}/run
admin socket = {folder}/run/$name.$pid.asok
log file = {folder}/$name.log
pid file =
osd data = {folder}/osd
mon data = {folder}/mon
mgr data = {folder}/mgr
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw crypt require ssl = false
rgw enable usage log = false
rgw dns name = localhost
"""


class ServerUnavailableError(Exception):
    """The server's programs are absent and cannot be installed, or it did not start."""


@dataclass(frozen=True)
class Account:
    """One user of the server."""

    access_key: str
    secret_key: str


@dataclass
class RadosGateway:
    """The running server: where it listens, and how to make users of it."""

    folder: Path
    port: int
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def create_account(self, name: str) -> Account:
        """Add a user who may do everything with their own buckets."""
        listing = self.run(
            "radosgw-admin", "user", "create", f"--uid={name}", f"--display-name={name}"
        )
        keys = json.loads(listing)["keys"][0]
        return Account(keys["access_key"], keys["secret_key"])

    def client(self, account: Account, service: str = "s3", **config: Any) -> Any:
        """A boto3 client of `service` ("s3", or "sns" for notification topics)."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,
            endpoint_url=self.url,
            aws_access_key_id=account.access_key,
            aws_secret_access_key=account.secret_key,
            region_name="default",
            config=Config(s3={"addressing_style": "path"}, **config),
        )

    def run(self, program: str, *arguments: str) -> str:
        """Run one of Ceph's commands against this cluster and return what it prints."""
        command = [program, "-c", str(self.folder / "ceph.conf"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise ServerUnavailableError(f"{' '.join(command)}: {done.stderr[-500:]}")
        return done.stdout

    def spawn(self, program: str, *arguments: str) -> None:
        command = [program, *arguments, "-f", "-c", str(self.folder / "ceph.conf")]
        with (self.folder / f"{program}.out").open("wb") as output:
            daemon = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.daemons.append(daemon)

    def stop(self) -> None:
        """End the daemons, newest first, and remove their folder."""
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in reversed(self.daemons):
            try:
                daemon.wait(timeout=5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def install() -> None:
    """Install Ceph from the distribution where it is missing.

    Raises:
        ServerUnavailableError: not root, no apt, or apt failed.
    """
    if all(shutil.which(program) for program in PROGRAMS):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ServerUnavailableError(
            f"needs {', '.join(PACKAGES)}, or root and apt to install them"
        )
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with suppress(subprocess.CalledProcessError):  # stale lists only matter if the install fails
        subprocess.run(["apt-get", "update", "-qq"], check=True, capture_output=True)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerUnavailableError(f"apt could not install Ceph: {done.stderr[-300:]}")


def start() -> RadosGateway:
    """Start monitor, manager, object store and gateway; returns when S3 answers (about 15 s)."""
    install()
    folder = Path(tempfile.mkdtemp(prefix="radosgw-"))
    server = RadosGateway(folder, free_port())
    try:
        start_monitor(server)
        server.spawn("ceph-mgr", "-i", "x")
        start_object_store(server)
        server.spawn("radosgw", "-n", "client.rgw.x")
        wait_until(lambda: answers(server.url), "the gateway")
    except BaseException:
        server.stop()
        raise
    return server


@contextmanager
def running() -> Iterator[RadosGateway]:
    """The server for the length of a `with`."""
    server = start()
    try:
        yield server
    finally:
        server.stop()


def start_monitor(server: RadosGateway) -> None:
    fsid, mon_port = str(uuid.uuid4()), free_port()
    for name in ("mon", "osd", "mgr", "rgw", "run"):
        (server.folder / name).mkdir()
    folder, configuration = server.folder, server.folder / "ceph.conf"
    configuration.write_text(
        CONFIGURATION.format(fsid=fsid, mon_port=mon_port, folder=folder, port=server.port)
    )
    monitors, address = str(folder / "monmap"), f"[v2:127.0.0.1:{mon_port}]"
    prepare("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, monitors)
    prepare("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "-c", str(configuration))
    server.spawn("ceph-mon", "-i", "a")
    wait_until(lambda: succeeds(server, "-s"), "the monitor")


def start_object_store(server: RadosGateway) -> None:
    identity = str(uuid.uuid4())
    number = server.run("ceph", "osd", "new", identity).strip()
    server.run("ceph-osd", "-i", number, "--mkfs", "--osd-uuid", identity)
    server.run("ceph", "osd", "crush", "add", f"osd.{number}", "1.0", "root=default", "host=h")
    server.spawn("ceph-osd", "-i", number)
    wait_until(lambda: "1 up" in server.run("ceph", "osd", "stat"), "the object store")


def prepare(*command: str) -> None:
    """Run a command that must not look for a monitor, as there is none yet."""
    environment = {**os.environ, "CEPH_ARGS": "--no-mon-config"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerUnavailableError(f"{command[0]}: {done.stderr[-500:]}")


def succeeds(server: RadosGateway, *arguments: str) -> bool:
    command = ["timeout", "5", "ceph", "-c", str(server.folder / "ceph.conf"), *arguments]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def answers(url: str) -> bool:
    """Whether an HTTP server listens there, whatever it says."""
    try:
        with urlopen(url, timeout=2):
            return True
    except HTTPError:
        return True
    except OSError:
        return False


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Poll until `ready()`; raises ServerUnavailableError after 90 seconds."""
    deadline = time.monotonic() + START_TIMEOUT
    while not ready():
        if time.monotonic() > deadline:
            raise ServerUnavailableError(f"{what} did not start in {START_TIMEOUT:.0f} s")
        time.sleep(0.2)
