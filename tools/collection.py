"""Maintains collections where they are stored: fills, moves, rebuilds and checks them.

    python -m tools.collection rebuild staff               the index again, from the truth
    python -m tools.collection sweep staff                 out of the index what the truth lacks
    python -m tools.collection fill photos s3://out/embeddings     from results that exist
    python -m tools.collection move photos s3://out/embeddings     to the contract of those results

FACENET_COLLECTIONS and FACENET_INDEX say where collections are kept, as for the function. Every
command may be repeated, and continues where it stopped.

`move` fills a second generation while the first still answers, then makes it the current one.
Deploy a function with the new model first, beside the old one: its results fill the new generation.
Until the move is done it answers searches with ModelMismatch, and the old function answers them.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from botocore.exceptions import BotoCoreError, ClientError

from handler.environment import SettingsError
from handler.errors import ApiError
from handler.faces.types import FoundFace, PictureFaces
from handler.search import names
from handler.search.catalog import Collections, open_collections
from handler.search.collection import Collection
from handler.search.follow import Follower, Identify
from handler.search.types import CollectionRecord
from handler.settings import Settings
from handler.storage import clients
from handler.storage.faults import TransientFailure
from handler.storage.store import S3Store
from handler.storage.types import ObjectReference, StoredObject
from tools.failure import report_failure
from tools.needs import packages_of

with packages_of("collect"):
    from tqdm import tqdm

    from tools.collect_rows import Result, decode
    from tools.collect_sources import is_result, open_source

PAGE = 500


class CollectionError(Exception):
    """The command cannot be done; the message says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    try:
        print(COMMANDS[options.command](collections_of(), options))
    except (CollectionError, ApiError, SettingsError, TransientFailure) as failure:
        return report_failure(failure)
    except (BotoCoreError, ClientError, OSError) as failure:
        return report_failure(
            f"{failure}; check names, credentials and region, then repeat the command"
        )
    except KeyboardInterrupt:
        return report_failure("interrupted; run the same command again to continue", 130)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.collection",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("rebuild", "sweep"):
        commands.add_parser(name).add_argument("collection")
    for name in ("fill", "move"):
        command = commands.add_parser(name)
        command.add_argument("collection")
        command.add_argument("results", help="s3://bucket/prefix of results, or a folder")
        command.add_argument("--contract", help="only results of this contract (<id>@<digest>)")
        command.add_argument(
            "--people", default="people/", help="prefix of keys that name persons (%(default)s)"
        )
        command.add_argument(
            "--unchecked", action="store_true", help="do not ask S3 whether the pictures exist"
        )
        command.add_argument("--quiet", action="store_true", help="no progress bar")
    commands.choices["move"].add_argument(
        "--leave", action="store_true", help="drop persons that no result names"
    )
    return parser.parse_args(arguments)


def collections_of() -> Collections:
    """The collections that the environment names."""
    settings = Settings.from_environment({**os.environ, "FACENET_OUTPUT": ""})
    if settings.collections is None:
        raise CollectionError("set FACENET_COLLECTIONS to s3://bucket/prefix or a folder")
    return open_collections(settings)


def rebuild(collections: Collections, options: argparse.Namespace) -> str:
    collection = collections.open(options.collection)
    count = collection.rebuild()
    return f"{count:,} faces added to the index; {collection.sweep():,} removed"


def sweep(collections: Collections, options: argparse.Namespace) -> str:
    count = collections.open(options.collection).sweep()
    return f"{count:,} faces removed from the index that the collection does not hold"


def fill(collections: Collections, options: argparse.Namespace) -> str:
    record = collections.record(names.check_collection(options.collection))
    contract, dimension = (record.contract, record.dimension) if record else first_contract(options)
    collection = collections.create(options.collection, contract, dimension)
    count = fill_from(collections, collection, options)
    return f"{count:,} results; the collection now holds {collection.gallery().faces:,} faces"


def move(collections: Collections, options: argparse.Namespace) -> str:
    """Fills a new generation, makes it current, adds newer results, deletes the old one."""
    old = collections.open(options.collection)
    contract, dimension = first_contract(options, without=old.record.contract)
    generation = names.digest(f"{old.record.generation}\n{contract}")[:12]
    record = replace_record(old.record, contract, dimension, generation)
    new = replace(collections.open_record(record), moving=True)
    fill_from(collections, new, options)
    lost = sorted(set(persons(old)) - set(persons(new)))
    if lost and not options.leave:
        raise CollectionError(
            f"{len(lost)} persons have no result of {contract}: enrol their pictures in the bucket "
            "below the prefix of people, or give --leave and enrol them again afterwards"
        )
    collections.replace_record(record)
    count = fill_from(collections, new, options)
    old.delete_below("")
    old.index.drop()
    return f"{options.collection} now has the contract {contract}, filled from {count:,} results"


def replace_record(
    record: CollectionRecord, contract: str, dimension: int, generation: str
) -> CollectionRecord:
    return CollectionRecord(
        name=record.name, contract=contract, dimension=dimension, generation=generation
    )


def persons(collection: Collection) -> Iterator[str]:
    after: str | None = None
    while page := collection.persons(after, PAGE):
        yield from page
        after = page[-1]


def first_contract(options: argparse.Namespace, without: str | None = None) -> tuple[str, int]:
    """Contract and dimension of the results, which must be of one contract but `without`."""
    found: dict[str, int] = {}
    for result in results_of(options):
        if result.faces and contract_of(result) not in (without, *found):
            found[contract_of(result)] = len(result.faces[0].embedding)
    if options.contract:
        found = {each: size for each, size in found.items() if each == options.contract}
    if len(found) != 1:
        raise CollectionError(
            f"the results have {len(found)} contracts ({', '.join(sorted(found)) or 'none'}); "
            "name one with --contract"
        )
    return next(iter(found.items()))


def contract_of(result: Result) -> str:
    """The contract of a result; one of before contracts is of a kind that no collection has."""
    return result.model.contract or result.model.id


def fill_from(collections: Collections, collection: Collection, options: argparse.Namespace) -> int:
    """Adds every result of the collection's contract to it, once; returns how many."""
    follower = Follower(
        collections=collections,
        name=collection.record.name,
        contract=collection.record.contract,
        dimension=collection.record.dimension,
        people=options.people,
        identify=identity_from_s3(options),
        target=collection,
    )
    count = 0
    for result in tqdm(results_of(options), unit=" results", disable=options.quiet):
        if contract_of(result) != collection.record.contract:
            continue
        found = result.object
        reference = ObjectReference(found.bucket, found.key)
        picture = StoredObject(found.etag, found.version_id, found.size, b"")
        if options.unchecked:
            follower = replace(follower, identify=partial(identity_in_result, picture))
        follower.follow(reference, picture, faces_of(result))
        count += 1
    return count


def identity_in_result(picture: StoredObject, _reference: ObjectReference) -> str | None:
    """The identity of the object by its result, without asking S3 (--unchecked)."""
    return picture.identity


def identity_from_s3(options: argparse.Namespace) -> Identify:
    """A function that asks S3 for an object's identity; unused with --unchecked."""
    return S3Store(None if options.unchecked else clients.client(), "", 0).identity


def results_of(options: argparse.Namespace) -> Iterator[Result]:
    source = open_source(options.results)
    for page in source.pages(None, PAGE):
        for key in page:
            result = decode(source.read(key)) if is_result(key, source) else None
            if result is not None:
                yield result


def faces_of(result: Result) -> PictureFaces:
    return PictureFaces(
        result.width or 0,
        result.height or 0,
        tuple(
            FoundFace(
                (
                    face.box.left,
                    face.box.top,
                    face.box.left + face.box.width,
                    face.box.top + face.box.height,
                ),
                None,
                face.score,
                embedding=np.asarray(face.embedding, np.float32),
            )
            for face in result.faces
        ),
    )


COMMANDS: dict[str, Any] = {"rebuild": rebuild, "sweep": sweep, "fill": fill, "move": move}

if __name__ == "__main__":
    sys.exit(main())
