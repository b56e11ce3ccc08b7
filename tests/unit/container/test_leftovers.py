"""A network and a process as a killed engine leaves them, cleared away."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from container.leftovers import clear, mount_points, processes

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare"
)


@pytest.fixture
def left(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """An engine's folder with the network of a container, and a process that lives in it."""
    home = tmp_path / "engine"
    network = home / "exec" / "netns" / "9acb256e8897"
    network.parent.mkdir(parents=True)
    network.touch()
    process = subprocess.Popen(["unshare", f"--net={network}", "sleep", "600"])
    deadline = time.monotonic() + 20
    while not mount_points(home) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if not mount_points(home):
        process.kill()
        pytest.skip("this machine makes no network namespace")
    yield home, process
    process.kill()
    process.wait()
    for point in mount_points(home):
        subprocess.run(["umount", "--lazy", str(point)], check=True)


def test_a_network_its_process_and_the_folder_go(
    left: tuple[Path, subprocess.Popen[bytes]],
) -> None:
    home, process = left
    clear(home)
    assert process.wait(timeout=20) == -9
    assert mount_points(home) == []
    assert not home.exists()


def test_the_network_of_the_machine_ends_nobody(
    left: tuple[Path, subprocess.Popen[bytes]],
) -> None:
    home, process = left
    own = home / "exec" / "netns" / "default"
    own.touch()
    subprocess.run(["mount", "--bind", "/proc/self/ns/net", str(own)], check=True)
    assert list(processes(home, mount_points(home))) == [process.pid]


def test_a_process_that_names_the_folder_goes(tmp_path: Path) -> None:
    home = tmp_path / "engine"
    home.mkdir()
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    named = subprocess.Popen([*sleep, f"{home}/containerd.toml"])
    other = subprocess.Popen([*sleep, f"{home}-two/containerd.toml"])
    clear(home)
    assert named.wait(timeout=20) == -9
    assert other.poll() is None
    other.kill()
    other.wait()


def test_nothing_left_is_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clear(tmp_path / "engine")
    assert capsys.readouterr().err == ""
