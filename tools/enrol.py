"""Enrols a folder of people, a folder each, through the service; or a Parquet file of embeddings.

    python -m tools.enrol people/ -c staff           people/Ann/1.jpg, people/Bob/1.jpg, ...
    python -m tools.enrol people/ -c staff --function facenet -o enrolled.parquet
    python -m tools.enrol faces.parquet -c photos             what tools.collect wrote

Of a Parquet file the person is the column `person`, or, without one, NAME of keys
`people/NAME/...`; other rows are left out. -o writes what was enrolled, with tools.collect's
columns and `person`, `face_id` and `added`.

What is done is kept in a journal beside the output (or the source), so that the same command goes
on after an interruption; `--restart` forgets it. Enrolling a picture twice changes nothing.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from tools.client import CallError, Client
from tools.client.target import add_target, client_of
from tools.failure import report_failure
from tools.needs import packages_of

with packages_of("enrol"):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from tqdm import tqdm

    from tools.collect_rows import SCHEMA

Json = dict[str, Any]
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic"})
# Errors of a picture; a retry would give the same.
REFUSALS = frozenset(
    {"FaceNotFound", "LowQuality", "InvalidImage", "UnsupportedFormat", "ImageTooLarge",
     "PayloadTooLarge"}
)  # fmt: skip
OUTPUT = pa.schema(
    [*SCHEMA, ("person", pa.string()), ("face_id", pa.string()), ("added", pa.bool_())]
)
CONTRACT_COLUMN = "contract"
BATCH = 4096  # rows of a Parquet file that are read at once


@dataclass(frozen=True)
class Item:
    """One picture, or one embedding, of a person; `name` tells it from all others."""

    name: str
    person: str
    image: Path | Json


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    try:
        counts = enrol(client_of(options), options)
    except EndpointConnectionError:
        return report_failure(f"no server answers at {options.url}; `make serve` starts a server")
    except (CallError, BotoCoreError, ClientError, OSError, pa.ArrowInvalid) as failure:
        return report_failure(f"{failure}. Run the same command again to continue")
    except KeyboardInterrupt:
        return report_failure("interrupted; run the same command again to continue", 130)
    print(
        f"{options.collection}: {counts['added']:,} faces added, "
        f"{counts['there']:,} already there, "
        f"{counts['refused']:,} pictures refused"
    )
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.enrol",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="a folder with a folder per person, or .parquet")
    parser.add_argument("-c", "--collection", required=True)
    add_target(parser)
    parser.add_argument("-o", "--output", type=Path, help="Parquet of what was enrolled")
    parser.add_argument(
        "--restart", action="store_true", help="discard the journal of an earlier run"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args(arguments)


def enrol(client: Client, options: argparse.Namespace) -> dict[str, int]:
    """Enrols what the journal does not name yet; how many faces were added, there, and refused."""
    beside = options.output or options.source
    journal = beside.with_name(f"{beside.name}.{options.collection}.enrolled.jsonl")
    if options.restart:
        journal.unlink(missing_ok=True)
    done = read_journal(journal)
    client.create_collection(options.collection)
    items = list(items_of(options.source))
    if not items:
        raise OSError(f"{options.source} has no pictures of people; make one folder per person")
    left = [item for item in items if item.name not in done]
    with journal.open("a", encoding="utf-8") as file:
        for item in tqdm(left, unit=" pictures", disable=options.quiet):
            done[item.name] = enrol_one(client, options.collection, item)
            file.write(json.dumps({"name": item.name, "rows": done[item.name]}) + "\n")
            file.flush()
    rows = [row for item in items for row in done[item.name]]
    if options.output:
        pq.write_table(pa.Table.from_pylist(rows, OUTPUT), options.output, compression="zstd")
    added = sum(row["added"] is True for row in rows)
    there = sum(row["added"] is False for row in rows)
    return {"added": added, "there": there, "refused": len(rows) - added - there}


def read_journal(path: Path) -> dict[str, list[Json]]:
    """What earlier runs did, by name; a last line that was cut short does not count."""
    done: dict[str, list[Json]] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            done[entry["name"]] = entry["rows"]
    return done


def enrol_one(client: Client, collection: str, item: Item) -> list[Json]:
    """The rows of one picture: a face each, or why there is none. Raises CallError for the rest."""
    row = {"key": item.name, "person": item.person}
    try:
        answer = client.enrol(collection, item.person, item.image)
    except CallError as refusal:
        if refusal.code not in REFUSALS:
            raise
        return [{**row, "error_code": refusal.code, "error_message": refusal.message}
                | {"added": None}]  # fmt: skip
    model = answer["model"]
    named = {"model_id": model["id"], "contract": model["contract"],
             "model_sha256": model["sha256"]}  # fmt: skip
    return [
        {**row, **named, **face_columns(face["face"]), "face": index, "face_id": face["id"],
         "added": face["added"]}
        for index, face in enumerate(answer["images"][0]["faces"])
    ]  # fmt: skip


def face_columns(face: Json | None) -> Json:
    """Where a face lies and how good it is, in tools.collect's columns."""
    if face is None:
        return {}
    box, quality = face["box"], face["quality"] or {}
    measured = {name: value for name, value in quality.items() if name != "size"}
    return {
        "left": box["left"],
        "top": box["top"],
        "right": box["left"] + box["width"],
        "bottom": box["top"] + box["height"],
        "landmarks": [number for point in face["landmarks"] or () for number in point],
        "score": face["score"],
        "quality_size": quality.get("size"),
        **measured,
    }


def items_of(source: Path) -> Iterator[Item]:
    """Every picture below the folders of people, or every embedding of a person in a file."""
    if source.suffix == ".parquet":
        yield from embeddings_of(source)
        return
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in PICTURES:
                yield Item(path.relative_to(source).as_posix(), folder.name, path)


def embeddings_of(source: Path) -> Iterator[Item]:
    file = pq.ParquetFile(source)
    wanted = ["bucket", "key", "face", "embedding", CONTRACT_COLUMN, "person"]
    columns = [name for name in wanted if name in file.schema_arrow.names]
    for batch in file.iter_batches(BATCH, columns=columns):
        for row in batch.to_pylist():
            person = row.get("person") or person_of(row["key"] or "")
            if person is None or not row["embedding"]:
                continue
            image = {"embedding": row["embedding"], "model": row[CONTRACT_COLUMN]}
            name = f"{row.get('bucket')}/{row['key']}#{row['face']}"
            yield Item(name, person, image)


def person_of(key: str) -> str | None:
    """NAME of `people/NAME/...`, wherever in the key that begins."""
    _, people, rest = f"/{key}".partition("/people/")
    name, slash, _ = rest.partition("/")
    return name if people and slash and name else None


if __name__ == "__main__":
    sys.exit(main())
