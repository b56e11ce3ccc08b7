"""What C libraries print is kept out of standard error while a decoder runs, and only then."""

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Callable

import cv2
import pytest

import align
from align.silence import Silence, silence
from fixtures.hostile_pictures import chunk, encode, with_chunk
from fixtures.odd_pictures import FORGED, jpeg_with_junk, profile_with_name

LIBRARY = ctypes.CDLL(None)


def print_in_c(text: str) -> None:
    """Prints as libpng does: by the C library's `stderr`."""
    stream = ctypes.c_void_p.in_dll(LIBRARY, "stderr")
    LIBRARY.fputs(text.encode(), stream)
    LIBRARY.fflush(stream)


@pytest.mark.parametrize(
    "make",
    [
        lambda: profile_with_name(FORGED),
        lambda: with_chunk(chunk(b"sPLT", FORGED)),
        lambda: with_chunk(chunk(b"zTXt", FORGED + b"\0\1")),
        lambda: with_chunk(chunk(b"tEXt", b"a\0b")[:-1] + b"x"),
        lambda: with_chunk(chunk(b"a\nbc", FORGED)),
        lambda: encode("png").replace(b"IDATx", b"IDATy"),
        lambda: jpeg_with_junk(b"?>"),
        lambda: encode("jpg")[:-40] + b"\xff\xd9",
    ],
)
def test_no_decoder_prints_anything(
    make: Callable[[], bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(align.InvalidImage):
        align.decode(make())
    assert capfd.readouterr() == ("", "")


def test_c_libraries_print_before_and_after_but_not_meanwhile(
    capfd: pytest.CaptureFixture[str],
) -> None:
    print_in_c("before\n")
    with silence:
        print_in_c("meanwhile\n")
        with silence:
            print_in_c("meanwhile\n")
        print_in_c("meanwhile\n")
    print_in_c("after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def test_python_and_the_file_descriptor_are_not_silenced(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with silence:
        os.write(2, b"a traceback\n")
    assert capfd.readouterr().err == "a traceback\n"


def test_opencv_logs_nothing_of_its_own() -> None:
    environment = {name: value for name, value in os.environ.items() if "OPENCV" not in name}
    program = "from align.opencv import cv2; print(cv2.utils.logging.getLogLevel())"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == cv2.utils.logging.LOG_LEVEL_SILENT


def test_an_error_ends_the_silence(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), silence:
        raise RuntimeError
    print_in_c("after\n")
    assert capfd.readouterr().err == "after\n"


def test_the_last_of_many_threads_ends_the_silence(capfd: pytest.CaptureFixture[str]) -> None:
    start = threading.Barrier(8)
    data = profile_with_name(FORGED)

    def work() -> None:
        start.wait()
        for _ in range(50):
            align.decode(data)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capfd.readouterr().err == ""
    print_in_c("after\n")
    assert capfd.readouterr().err == "after\n"


def test_where_the_c_library_has_no_such_variable_nothing_breaks(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "confstr", lambda name: None)
    with Silence():
        print_in_c("heard\n")
    assert capfd.readouterr().err == "heard\n"
