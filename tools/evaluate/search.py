"""`python -m tools.evaluate.search`: who is it, among many, and is it anybody at all?

The open-set protocol: people with more than three pictures are enrolled with three of them, and
probed with the rest; people with fewer are strangers. FPIR is the share of strangers' pictures
that are taken for anybody, FNIR the share of enrolled people's pictures that do not find their
person, first and within the threshold (ISO/IEC 19795-1; NIST FRTE 1:N). Which three are enrolled
is drawn anew in every round; intervals come from drawing people with replacement.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

import model_layer
from handler.search.model import threshold_at
from handler.search.scoring import Score
from model_layer import Precision
from model_layer.distance import distances, normalise
from model_layer.manifest import Manifest
from tools.evaluate.__main__ import BUNDLED, LFW, LFW_PAIRS, check_inputs, exit_with_message
from tools.evaluate.dataset import open_pictures, read_pairs
from tools.evaluate.people import identify
from tools.evaluate.protocol import Interval
from tools.needs import packages_of
from tools.pack_images import at_least

with packages_of("evaluate"):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    from tools.evaluate.embedding import (
        EmbedOptions,
        FaceChoice,
        alignment_of,
        make_chips,
        make_embeddings,
    )

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ENROLLED = 3
RATES = (0.01, 0.001)
ROUNDS = 20
DRAWS = 500
SEED = 7


@dataclass(frozen=True, eq=False)
class Trial:
    """One drawing of the enrolled pictures, scored one way.

    Attributes:
        mates: float[M], the distance of each probe of an enrolled person to the nearest person.
        right: bool[M], whether that is the right one.
        mate_people: int[M], whose picture it is.
        strangers: float[S], the distance of each stranger's picture to the nearest person.
        stranger_people: int[S], whose picture it is.
        persons: how many are enrolled.
    """

    mates: Floats
    right: NDArray[np.bool_]
    mate_people: Ints
    strangers: Floats
    stranger_people: Ints
    persons: int


@dataclass(frozen=True)
class Result:
    """What one way of scoring reaches.

    Attributes:
        fnir: by FPIR, with the threshold set on the strangers themselves.
        rule_fpir, rule_fnir: by `max_fpir`, with the threshold of the product's rule.
    """

    score: Score
    rank_1: Interval
    fnir: Mapping[str, Interval]
    rule_fpir: Mapping[str, Interval]
    rule_fnir: Mapping[str, Interval]


def draw_trials(
    vectors: NDArray[np.float32], people: Ints, score: Score, rounds: int
) -> Iterator[Trial]:
    """Trials with other pictures enrolled each. vectors: float32[N,D] of unit length; int[N]."""
    random = np.random.default_rng(SEED)
    counts = np.bincount(people)
    strangers = np.flatnonzero(counts[people] <= ENROLLED)
    mates = np.flatnonzero(counts > ENROLLED)
    if not len(mates) or not len(strangers):
        raise SystemExit(f"needs people with more than {ENROLLED} pictures, and others with fewer")
    for _ in range(rounds):
        shuffled = [random.permutation(np.flatnonzero(people == person)) for person in mates]
        gallery = np.stack([vectors[rows[:ENROLLED]] for rows in shuffled])
        probes = np.concatenate([rows[ENROLLED:] for rows in shuffled])
        near, place = nearest(vectors[probes], gallery, score)
        far, _ = nearest(vectors[strangers], gallery, score)
        right = mates[place] == people[probes]
        yield Trial(near, right, people[probes], far, people[strangers], len(mates))


def nearest(
    probes: NDArray[np.float32], gallery: NDArray[np.float32], score: Score
) -> tuple[Floats, Ints]:
    """The distance of each probe (float32[M,D]) to the nearest person of [P,3,D], and which."""
    persons, pictures, dimension = gallery.shape
    if score == "mean":
        lengths = distances(probes, normalise(gallery.mean(axis=1)))
    else:
        every = distances(probes, gallery.reshape(-1, dimension))
        lengths = every.reshape(len(probes), persons, pictures).min(axis=2)
    place = lengths.argmin(axis=1)
    return lengths[np.arange(len(probes)), place].astype(np.float64), place


def measure(trials: Sequence[Trial], score: Score, manifest: Manifest) -> Result:
    """The figures over all trials: means, with intervals over people."""
    rules: dict[float, float] = {}
    for rate in RATES:
        found = threshold_at(manifest, rate / trials[0].persons)
        if found is not None:
            rules[rate] = found.distance

    def figures(fnir_at: Any) -> Interval:
        return _with_interval(trials, fnir_at)

    return Result(
        score=score,
        rank_1=figures(lambda trial, mates, _: _share(trial.right, mates)),
        fnir={
            f"{rate:g}": figures(
                lambda trial, mates, strangers, rate=rate: _missed(
                    trial, mates, _threshold(trial, strangers, rate)
                )
            )
            for rate in RATES
        },
        rule_fpir={
            f"{rate:g}": figures(
                lambda trial, _, strangers, limit=limit: _share(trial.strangers <= limit, strangers)
            )
            for rate, limit in rules.items()
        },
        rule_fnir={
            f"{rate:g}": figures(lambda trial, mates, _, limit=limit: _missed(trial, mates, limit))
            for rate, limit in rules.items()
        },
    )


def _with_interval(trials: Sequence[Trial], figure: Any) -> Interval:
    """The mean of a figure over trials; its spread when people are drawn with replacement."""
    whole = np.mean(
        [
            figure(trial, np.ones(len(trial.mates)), np.ones(len(trial.strangers)))
            for trial in trials
        ]
    )
    random = np.random.default_rng(SEED)
    count = 1 + max(int(trials[0].mate_people.max()), int(trials[0].stranger_people.max()))
    drawn = []
    for index in range(DRAWS):
        times = np.bincount(random.integers(count, size=count), minlength=count)
        trial = trials[index % len(trials)]
        drawn.append(figure(trial, times[trial.mate_people], times[trial.stranger_people]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(float(whole), float(low), float(high))


def _share(hits: NDArray[np.bool_], weights: Any) -> float:
    return float((hits * weights).sum() / max(1.0, weights.sum()))


def _threshold(trial: Trial, weights: Any, rate: float) -> float:
    """The largest distance at which no more than `rate` of the strangers' pictures are taken."""
    order = np.argsort(trial.strangers, kind="stable")
    taken = np.cumsum(np.asarray(weights, np.float64)[order])
    allowed = int(np.searchsorted(taken, rate * taken[-1], side="right"))
    below = trial.strangers[order[min(allowed, len(order) - 1)]]
    return float(np.nextafter(below, 0.0))


def _missed(trial: Trial, weights: Any, limit: float) -> float:
    return 1.0 - _share(trial.right & (trial.mates <= limit), weights)


def write(results: Sequence[Result], trials: Mapping[str, Sequence[Trial]], out: Path,
          facts: Mapping[str, Any]) -> str:  # fmt: skip
    """report.md, report.json and fnir.png in `out`; the report's text."""
    out.mkdir(parents=True, exist_ok=True)
    content = {"facts": facts, "results": [asdict(result) for result in results]}
    (out / "report.json").write_text(json.dumps(content, indent=1) + "\n")
    text = report(results, facts)
    (out / "report.md").write_text(text)
    draw(trials, out / "fnir.png")
    return text


def report(results: Sequence[Result], facts: Mapping[str, Any]) -> str:
    lines = [*(f"- {name}: {value}" for name, value in facts.items()), ""]
    names = [f"FNIR at FPIR {rate:g}" for rate in RATES]
    rules = [f"max_fpir {rate:g}: FPIR, FNIR" for rate in RATES]
    heads = ["score", "rank-1", *names, *rules]
    lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for result in results:
        fixed = [result.fnir[f"{rate:g}"].in_words(3) for rate in RATES]
        ruled = [
            f"{result.rule_fpir[name].value:.4f}, {result.rule_fnir[name].value:.3f}"
            if (name := f"{rate:g}") in result.rule_fpir
            else "not measured"
            for rate in RATES
        ]
        lines.append(f"| {' | '.join([result.score, result.rank_1.in_words(3), *fixed, *ruled])} |")
    return "\n".join(lines) + "\n"


def draw(trials: Mapping[str, Sequence[Trial]], path: Path) -> None:
    """FNIR over FPIR, a line for each way of scoring."""
    figure, axes = plt.subplots(figsize=(6, 4.5), layout="constrained")
    for name, group in trials.items():
        rates = np.geomspace(1 / len(group[0].strangers), 0.3, 60)
        curves = [
            [_missed(trial, np.ones(len(trial.mates)),
                     _threshold(trial, np.ones(len(trial.strangers)), rate)) for rate in rates]
            for trial in group
        ]  # fmt: skip
        axes.plot(rates, np.mean(curves, axis=0), label=name)
    axes.set(xscale="log", xlabel="FPIR: strangers taken for somebody", ylabel="FNIR: not found")
    axes.set_ylim(0, None)
    axes.grid(alpha=0.3)
    axes.legend(title="score")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def parse_arguments(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate.search", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--pairs", type=Path, default=LFW_PAIRS, metavar="CSV",
                        help="whose pictures are used; their labels are not")  # fmt: skip
    parser.add_argument("--images", type=Path, default=LFW / "images.zip", metavar="ZIP|DIR")
    parser.add_argument("--model", default=BUNDLED, help=f"id or folder ({BUNDLED})")
    parser.add_argument("--precision", choices=get_args(Precision))
    parser.add_argument("--threads", type=at_least(1), default=1)
    parser.add_argument("--jobs", type=at_least(1), default=1, help="detectors side by side (1)")
    parser.add_argument("--rounds", type=at_least(1), default=ROUNDS, help="drawings (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/search"), metavar="DIR")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="kept work (OUT/cache)")
    return parser.parse_args(arguments)


def evaluate(options: Any) -> str:
    """Runs the protocol and writes what it found."""
    pairs = read_pairs(options.pairs)
    model = model_layer.load(options.model, precision=options.precision, threads=options.threads)
    choice = FaceChoice("fast", "central", alignment_of(model))
    cache = options.cache or options.out / "cache"
    chips = make_chips(open_pictures(options.images), pairs.names, choice, cache, options.jobs)
    vectors = make_embeddings(model, chips, EmbedOptions(), cache)
    people = identify(pairs)
    if not people.complete:
        raise SystemExit("who is on each picture cannot be told; see tools.evaluate --help")
    trials = {
        score: list(draw_trials(vectors, people.index, score, options.rounds))
        for score in get_args(Score)
    }
    results = [measure(group, score, model.manifest) for score, group in trials.items()]
    first = trials["mean"][0]
    facts = {
        "model": model.id,
        "contract": model.contract(),
        "pictures": f"{len(pairs.names):,} of {people.count:,} people",
        "enrolled": f"{first.persons} people, {ENROLLED} pictures each",
        "probes": f"{len(first.mates):,}",
        "strangers": f"{len(first.strangers):,} pictures of "
        f"{len(np.unique(first.stranger_people)):,} people",
        "rounds": options.rounds,
    }
    return write(results, trials, options.out, facts)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_arguments(arguments)
    check_inputs(options)
    with exit_with_message():
        print(evaluate(options))


if __name__ == "__main__":
    main()
