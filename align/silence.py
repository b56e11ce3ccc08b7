"""Keeps what C libraries say about a file out of standard error.

libpng and libjpeg print their warnings, and libpng's may quote the file, line breaks and all: a
picture could write a line of its own into the log. OpenCV offers no way to hand them a handler.

While a decoder runs, the C library's own variable `stderr` points to a stream that discards
everything. File descriptor 2 stays as it is, so what other threads write by Python, and what the
kernel or a crash handler writes, arrives. Threads may decode at once: the first one in changes the
variable, the last one out restores it.
"""

import ctypes
import os
import sys
import threading


class Silence:
    """`with silence:` C libraries print nothing to standard error meanwhile, in any thread."""

    def __init__(self) -> None:
        self._variable = _stderr_variable()
        self._nowhere = _open_null_stream() if self._variable is not None else None
        self._lock = threading.Lock()
        self._inside = 0
        self._before: int | None = None

    def __enter__(self) -> None:
        if self._variable is None or self._nowhere is None:
            return
        with self._lock:
            if self._inside == 0:
                self._before, self._variable.value = self._variable.value, self._nowhere
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        if self._variable is None or self._nowhere is None:
            return
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._variable.value = self._before


def _stderr_variable() -> ctypes.c_void_p | None:
    """The variable, where the C library has a writable one: glibc and macOS."""
    try:
        if sys.platform == "darwin":
            return ctypes.c_void_p.in_dll(ctypes.CDLL(None), "__stderrp")
        if os.confstr("CS_GNU_LIBC_VERSION"):
            return ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stderr")
    except (AttributeError, OSError, TypeError, ValueError):
        pass
    return None


def _open_null_stream() -> int | None:
    """A FILE that discards what is written to it, open for the life of the process."""
    fopen = ctypes.CDLL(None).fopen
    fopen.restype = ctypes.c_void_p
    stream: int | None = fopen(os.devnull.encode(), b"w")
    return stream


silence = Silence()
