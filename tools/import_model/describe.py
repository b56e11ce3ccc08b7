"""What is said of a model: by its options, else by what is known of its weights."""

import argparse
import re
import sys
from pathlib import Path

from model_layer.manifest import BoxAlignment, SimilarityAlignment
from tools.import_model import published
from tools.import_model.errors import ImportFailed
from tools.import_model.known_models import KnownModel, recognise
from tools.import_model.sources import Source
from tools.import_model.write_manifest import Description, public_name

Alignment = BoxAlignment | SimilarityAlignment
UNKNOWN_LICENCE = "unknown"
# Picture pixels, as davidsandberg/facenet validates its models.
FACENET_MARGIN = 32


def describe(
    options: argparse.Namespace,
    path: Path,
    size: int,
    inside: str | None = None,
    source: Source | None = None,
) -> Description:
    """The description of the release that is `inside`, else of a network, else by the name."""
    release, known = recognise(inside or "", *names_of(options, path))
    if source and source.known and not release:
        release, known = source.name, source.known
    alignment = _alignment(options, known, size)
    standardization = options.standardization or known.standardization
    colour_order = options.colour_order or known.colour_order
    other = _other_choices(known, standardization, alignment, colour_order)
    name = release or re.sub(r"\.\w{2,4}$", "", source_name(options))
    return Description(
        id=options.id or "-".join([name, *(other if release else ())]),
        known=known.unmeasured() if other else known,
        licence=options.licence or known.licence,
        standardization=standardization,
        alignment=alignment,
        colour_order=colour_order,
    )


def names_of(options: argparse.Namespace, path: Path) -> list[str]:
    """Names by which weights may be known, the user's own first."""
    inside = [entry.name for entry in sorted(path.iterdir())] if path.is_dir() else []
    return [options.id or "", source_name(options), path.name, *inside]


def source_name(options: argparse.Namespace) -> str:
    """The last part of what was given."""
    return public_name(options.source.rstrip("/")).rsplit("/", 1)[-1]


def refuse_wrong_name(options: argparse.Namespace, path: Path, source: Source) -> None:
    """Raises ImportFailed where a file is named as a release that it is not."""
    claimed, _ = recognise(*names_of(options, path))
    if claimed and claimed != options.id:
        published.check_release(
            published.RELEASES[claimed], source.runtime.embed, source.size, path
        )


def ask_licence(licence: str) -> str:
    """The licence of weights of which nobody said it: asked for where somebody can answer."""
    if licence != UNKNOWN_LICENCE:
        return licence
    answer = ""
    if sys.stdin.isatty():
        answer = input("Licence of the weights, for the manifest (empty: unknown): ").strip()
    if not answer:
        print(
            "note: the licence of these weights is not known; the manifest says so. Name it with "
            "--licence, and where they come from with --origin",
            file=sys.stderr,
        )
    return answer or UNKNOWN_LICENCE


def _alignment(options: argparse.Namespace, known: KnownModel, size: int) -> Alignment:
    """Box or landmarks, as asked for, else as known."""
    kind = options.alignment or ("similarity" if known.margin is None else "box")
    if kind == "similarity":
        if options.margin is not None:
            raise ImportFailed("--margin belongs to --alignment box")
        template = options.template or (known.template if size == known.size else None)
        return SimilarityAlignment(size=size, template=template)
    if options.template:
        raise ImportFailed("--template belongs to --alignment similarity")
    margins = (options.margin, known.margin, FACENET_MARGIN)
    margin = next(margin for margin in margins if margin is not None)
    return BoxAlignment(size=size, margin=margin)


def _other_choices(
    known: KnownModel, standardization: str, alignment: Alignment, colour_order: str
) -> list[str]:
    """What makes other embeddings than the known ones, in words that an id can carry."""
    landmarks = alignment.margin is None
    words = {
        standardization: standardization != known.standardization,
        "similarity": landmarks and known.margin is not None,
        "template": landmarks and known.margin is None and alignment.template != known.template,
        f"margin{alignment.margin}": not landmarks and alignment.margin != known.margin,
        f"size{alignment.size}": alignment.size != known.size,
        colour_order.lower(): colour_order != known.colour_order,
    }
    return [word for word, differs in words.items() if differs]
