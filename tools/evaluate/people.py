"""Who is on each picture: what tells strangers apart, and what a bootstrap draws."""

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from tools.evaluate.dataset import Pairs
from tools.evaluate.protocol import Bools, Ints

# LFW's file names: the person, an underscore and the number of the picture.
NUMBERED = re.compile(r"(.+)_\d+")


@dataclass(frozen=True)
class People:
    """The person of each picture as a number, int[N], and how that is known.

    `complete` is False where only the labels of the pairs say who is who. Then two pictures
    without a label between them may show one person, and are no pair of strangers.
    """

    index: Ints
    source: str
    complete: bool

    @property
    def count(self) -> int:
        return int(self.index.max()) + 1


def identify(pairs: Pairs) -> People:
    """The person of each picture, from the first source that no label of a pair contradicts.

    In this order: the columns person_a and person_b, the folder that a picture lies in, the file
    name without its number (`Name_0001.jpg`). Where none fits, pictures of pairs labelled `same`
    are joined, and the result is not complete.
    """
    for source, persons in _sources(pairs):
        index = _numbered(persons)
        if np.array_equal(index[pairs.left] == index[pairs.right], pairs.same):
            return People(index, source, complete=True)
    return People(_joined(pairs), "the labels of the pairs", complete=False)


def _sources(pairs: Pairs) -> Iterator[tuple[str, Sequence[Hashable]]]:
    """Every source that has a person for each picture."""
    paths = [PurePosixPath(name) for name in pairs.names]
    candidates: dict[str, Callable[[], Sequence[Hashable | None]]] = {
        "the columns person_a and person_b": lambda: pairs.persons,
        "the folders of the pictures": lambda: [path.parent.name or None for path in paths],
        "the names of the pictures": lambda: [_name_without_number(path) for path in paths],
    }
    for source, persons_of in candidates.items():
        persons = [person for person in persons_of() if person]
        if len(persons) == len(pairs.names):
            yield source, persons


def _name_without_number(path: PurePosixPath) -> str | None:
    found = NUMBERED.fullmatch(path.stem)
    return found[1] if found else None


def _numbered(persons: Sequence[Hashable]) -> Ints:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(person, len(numbers)) for person in persons])


def _joined(pairs: Pairs) -> Ints:
    """One number for all pictures that a chain of pairs labelled `same` connects (union-find)."""
    parents = list(range(len(pairs.names)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    for left, right in zip(pairs.left[pairs.same], pairs.right[pairs.same], strict=True):
        parents[root(int(left))] = root(int(right))
    return _numbered([root(place) for place in range(len(parents))])


def folds_of(pairs: Pairs) -> Ints:
    """The fold of each picture, int[N]: that of the first pair that has it."""
    folds = np.zeros(len(pairs.names), np.int64)
    sides = np.stack([pairs.left, pairs.right], axis=1).ravel()
    folds[sides[::-1]] = np.repeat(pairs.folds, 2)[::-1]  # of several assignments the last holds
    return folds


def draw_people(count: int, rounds: int, seed: int) -> Iterator[Ints]:
    """How often each of `count` people is drawn, int[count], in each round of a bootstrap."""
    random = np.random.default_rng(seed)
    for _ in range(rounds):
        yield np.bincount(random.integers(count, size=count), minlength=count)


def pair_draws(left: Ints, right: Ints, drawn: Ints) -> Ints:
    """How often each pair of people occurs in a draw: two strangers' as the product of both."""
    same: Bools = left == right
    return np.where(same, drawn[left], drawn[left] * drawn[right])
