"""Reading ahead never stands in the way of the start."""

import ctypes
import mmap
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handler import boot

ROOT = Path(__file__).resolve().parents[3]
PAGE = mmap.PAGESIZE


def forget(path: Path) -> None:
    """Puts a file out of the page cache."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cached(path: Path) -> list[bool]:
    """Which pages of a file are in the page cache."""
    size = path.stat().st_size
    pages = (ctypes.c_ubyte * (-(-size // PAGE)))()
    with (
        path.open("rb") as stream,
        mmap.mmap(stream.fileno(), size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as at,
    ):
        start = ctypes.c_char.from_buffer(at)
        done = ctypes.CDLL(None).mincore(ctypes.byref(start), ctypes.c_size_t(size), pages)
        del start
    assert done == 0
    return [bool(page & 1) for page in pages]


@pytest.fixture
def library() -> Path:
    """A file on the repository's disk (/tmp may be memory), not in the page cache."""
    path = ROOT / "build" / f"boot-test-{os.getpid()}.so"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(os.urandom(64 * PAGE))
    forget(path)
    if any(cached(path)):
        path.unlink()
        pytest.skip("this file system keeps everything in memory")
    yield path
    path.unlink()


def wait_for(condition: object) -> bool:
    """Whether `condition()` comes true within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.01)
    return False


def test_the_listed_part_is_in_memory_before_anybody_reads_it(
    library: Path, tmp_path: Path
) -> None:
    listing = tmp_path / "read-ahead.txt"
    listing.write_text(f"0 4096 /no/such file.so\n{8 * PAGE} {16 * PAGE} {library}\n")

    boot.start_reading_ahead(str(listing))

    assert wait_for(lambda: all(cached(library)[8:24]))


@pytest.mark.parametrize("content", ["", "what is this\n"])
def test_the_child_ends_and_never_comes_back_to_the_caller(content: str, tmp_path: Path) -> None:
    """A damaged listing too: two processes that both become the function would be worse."""
    listing = tmp_path / "read-ahead.txt"
    listing.write_text(content)
    code = (
        "import os, time; from pathlib import Path; from handler import boot\n"
        f"boot.start_reading_ahead({str(listing)!r})\n"
        "print('went on', flush=True)\n"
        "children = Path(f'/proc/self/task/{os.getpid()}/children')\n"
        "deadline = time.monotonic() + 10\n"
        "while children.read_text() and time.monotonic() < deadline: time.sleep(0.01)\n"
        "print(repr(children.read_text()))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines() == ["went on", "''"]


def test_without_a_listing_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked"))

    boot.start_reading_ahead("/no/such/listing")


def test_the_runtime_client_takes_over() -> None:
    """Nobody answers on port 9, so it stops where it asks for the first event."""
    done = subprocess.run(
        [sys.executable, "-m", "handler.boot", "handler.app.lambda_handler"],
        cwd=ROOT,
        env={**os.environ, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert '"message":"cold_start"' in done.stdout
    assert "awslambdaric" in done.stderr
