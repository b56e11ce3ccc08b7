"""What the image starts: reads ahead what a start needs, then runs Lambda's runtime client.

    python -m handler.boot handler.app.lambda_handler

A start touches a third of what its files hold, here and there, and waits for the disk each time;
the kernel, guessing, reads nearly all. While the image is built, container/record_start.py writes
down which parts a start touches and in which order. A child process asks the kernel for just these
while this one imports. A thread could not: it would wait for the interpreter, which waits for the
disk. Without the list, as in a checkout, nothing is read ahead.
"""

import _thread
import os
import sys

READ_AHEAD = "/opt/start/read-ahead.txt"


def main() -> None:
    """Runs until Lambda ends the process."""
    start_reading_ahead()
    from awslambdaric.__main__ import main as run

    run(sys.argv)


def start_reading_ahead(listing: str = READ_AHEAD) -> None:
    """Has a child process read ahead what `listing` names, and does not wait for it."""
    if not os.path.exists(listing):
        return
    child = os.fork()
    if child == 0:
        try:
            read_ahead(listing)
        finally:
            os._exit(0)
    # Somebody has to take note of its end, or it stays in the list of processes.
    _thread.start_new_thread(os.waitpid, (child, 0))


def read_ahead(listing: str) -> None:
    """Asks the kernel for each `OFFSET LENGTH PATH` of `listing`; what is not there is left out."""
    with open(listing, encoding="utf-8") as lines:
        for line in lines:
            offset, length, path = line.rstrip("\n").split(" ", 2)
            try:
                handle = os.open(path, os.O_RDONLY)
            except OSError:
                continue
            os.posix_fadvise(handle, int(offset), int(length), os.POSIX_FADV_WILLNEED)
            os.close(handle)


if __name__ == "__main__":
    main()
