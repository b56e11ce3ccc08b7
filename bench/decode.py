"""`python -m bench.decode`: what the slowest pictures that are allowed cost to decode.

Processor time, which other work on the machine lengthens little; the time that the handler keeps
for the decode stands beside it.
"""

import statistics
import time

import align
from bench.speed.report import machine_and_date
from fixtures.hostile_pictures import HOSTILE
from handler.faces.find import slowest_decode_ms

ROUNDS = 3


def main() -> None:
    """A row for each picture at the limit."""
    print("| picture | ms | kept |\n|---|---|---|")
    for name, (make, _) in HOSTILE.items():
        if "at the limit" not in name:
            continue
        data = make()
        header = align.read_header(data)
        spent = statistics.median(milliseconds(data) for _ in range(ROUNDS))
        print(f"| {name} | {spent:.0f} | {slowest_decode_ms(header):.0f} |")
    print(f"\n{machine_and_date()}, `python -m bench.decode`.")


def milliseconds(data: bytes) -> float:
    """Processor time of one decode."""
    begin = time.process_time()
    align.decode(data)
    return (time.process_time() - begin) * 1000


if __name__ == "__main__":
    main()
