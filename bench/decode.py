"""`python -m bench.decode`: what the slowest pictures that are allowed cost to decode.

HEIC pictures are made by heif-enc (Debian's libheif-examples) and left out where it is missing.
Processor time, which other work on the machine lengthens little; the time that the handler keeps
for the decode stands beside it.
"""

import shutil
import statistics
import time
from collections.abc import Callable, Iterator

import align
from bench.slow_heic import SLOW_HEIC
from bench.speed.report import machine_and_date
from fixtures.hostile_pictures import HOSTILE
from handler.faces.find import slowest_decode_ms

ROUNDS = 3


def main() -> None:
    """A row for each picture at the limit."""
    print("| picture | ms | kept |\n|---|---|---|")
    for name, make in pictures():
        data = make()
        header = align.read_header(data)
        spent = statistics.median(milliseconds(data) for _ in range(ROUNDS))
        print(f"| {name} | {spent:.0f} | {slowest_decode_ms(header):.0f} |")
    print(f"\n{machine_and_date()}, `python -m bench.decode`.")


def pictures() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Those at the limit: (name, what makes it)."""
    for name, (make, _) in HOSTILE.items():
        if "at the limit" in name:
            yield name, make
    if shutil.which("heif-enc") and align.can_decode_heic():
        yield from SLOW_HEIC.items()


def milliseconds(data: bytes) -> float:
    """Processor time of one decode."""
    begin = time.process_time()
    align.decode(data)
    return (time.process_time() - begin) * 1000


if __name__ == "__main__":
    main()
