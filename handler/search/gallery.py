"""How many persons and faces a collection holds, from at most four pages of a listing.

A search needs the number of persons for its threshold, and a listing of a million objects takes
a thousand calls. Keys begin with a digest, so the first n groups of N cover about n/N of the range
of digests: N is n over the share of the range that they cover, to 3 % at n = 1000. Up to that many
it is exact.
"""

from collections.abc import Iterator
from itertools import islice

from handler.search import names
from handler.search.truth import Truth
from handler.search.types import Gallery

PAGE = 1000
SAMPLE = 2000


def count(truth: Truth, prefix: str) -> Gallery:
    """The size of the collection whose faces lie below `prefix`."""
    persons, persons_exact = _groups(truth.folders(prefix + names.PERSONS))
    faces, faces_exact = _faces_of_persons(truth, prefix + names.PERSONS, persons)
    single, single_exact = _single_faces(truth, prefix + names.OBJECTS)
    return Gallery(
        persons=persons + single,
        faces=faces + single,
        estimated=not (persons_exact and faces_exact and single_exact),
    )


def _groups(folders: Iterator[str]) -> tuple[int, bool]:
    """How many folders there are, and whether that is exact."""
    first = list(islice(folders, PAGE))
    if len(first) < PAGE:
        return len(first), True
    return round(_total(len(first), first[-1])), False


def _faces_of_persons(truth: Truth, prefix: str, persons: int) -> tuple[int, bool]:
    sample = list(islice(truth.keys(prefix), SAMPLE))
    if len(sample) < SAMPLE:
        return len(sample), True
    groups = {names.group_of_key(key[len(prefix) - len(names.PERSONS) :]) for key in sample}
    return max(len(sample), round(persons * len(sample) / len(groups))), False


def _single_faces(truth: Truth, prefix: str) -> tuple[int, bool]:
    sample = list(islice(truth.keys(prefix), PAGE))
    if len(sample) < PAGE:
        return len(sample), True
    last = sample[-1][len(prefix) :].partition("/")[0]
    return round(_total(len(sample), last)), False


def _total(found: int, last: str) -> float:
    """All, where the first `found` reach as far as `last`, which begins with a digest."""
    share = int(last[: names.DIGEST], 16) / float(16**names.DIGEST)
    return found / max(share, 1e-12)
