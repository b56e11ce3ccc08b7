"""Gathers the results of a batch into one Parquet file, a row for each face.

    python -m tools.collect s3://bucket/prefix -o faces.parquet
    python -m tools.collect results/ -o faces.parquet

An object that was rejected has one row without a face and with its error. A picture that was
replaced has a result for each of its versions, alike in bucket and key: `written_at` says when
each result was last written (UTC).

The work is done in parts, kept beside the output until all are there: started again after an
interruption, it goes on after the last whole part. Results that came to earlier places in between
are left out then; `--restart` begins anew.
"""

import argparse
import os
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tools.failure import report_failure
from tools.needs import packages_of

with packages_of("collect"):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from tqdm import tqdm

    from tools.collect_rows import SCHEMA, decode, rows
    from tools.collect_sources import Page, Source, is_result, open_source
    from tools.evaluate.cache import cancel_pending

SOURCE_KEY, LAST_KEY = b"facenet.source", b"facenet.last"
THREADS = 16
MAX_PAGE = 1000  # keys of one listing call of S3


class CollectError(Exception):
    """The results cannot be gathered; the message says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="tools.collect",
        description=(__doc__ or "").split("\n")[0],
        epilog=f"Columns: {', '.join(SCHEMA.names)}.",
    )
    parser.add_argument("source", help="s3://bucket/prefix, or a folder")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the Parquet file")
    parser.add_argument("--model", help="only results of this contract, or model id")
    parser.add_argument(
        "--page", type=int, default=MAX_PAGE, help="results in a part (%(default)s)"
    )
    parser.add_argument(
        "--restart", action="store_true", help="discard the parts of an earlier run"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    options = parser.parse_args(arguments)
    if not 1 <= options.page <= MAX_PAGE:
        parser.error(f"--page takes 1 to {MAX_PAGE}")
    try:
        counts = collect(options)
    except CollectError as failure:
        return report_failure(failure)
    except (BotoCoreError, ClientError) as failure:
        return report_failure(
            f"{options.source} cannot be read ({failure}); check its name, credentials and region. "
            "Run the same command again to continue"
        )
    except OSError as failure:
        return report_failure(
            f"{failure.filename or options.source}: {failure.strerror or failure}"
        )
    except KeyboardInterrupt:
        return report_failure("interrupted; run the same command again to continue", 130)
    print(f"{options.output}: {counts['rows']:,} rows of {counts['results']:,} results")
    if counts["strange"]:
        print(f"{counts['strange']:,} objects are not results and were skipped", file=sys.stderr)
    return 0


def collect(options: argparse.Namespace) -> dict[str, int]:
    """Reads the remaining results, part by part, and joins the parts.

    Raises:
        CollectError: There is nothing, or the parts cannot be gone on with or removed.
        BotoCoreError, ClientError, OSError: The source cannot be read, or the output not written.
    """
    if options.output.is_dir():
        raise CollectError(f"{options.output} is a folder; -o names the file to write")
    source = open_source(options.source)
    parts = options.output.with_name(options.output.name + ".parts")
    remove(discarded_folder(parts))
    if options.restart and parts.exists():
        remove_parts(parts)
    parts.mkdir(parents=True, exist_ok=True)
    done = finished_parts(parts)
    last = last_key(done, identity(options))
    counts = {"strange": 0}
    bar = tqdm(unit=" results", disable=options.quiet, initial=sum(map(results_in, done)))
    threading.Thread(target=count, args=(source, last, bar), daemon=True).start()
    with bar, cancel_pending(ThreadPoolExecutor(THREADS)) as pool:
        for number, page in enumerate(source.pages(last, options.page), start=len(done)):
            counts["strange"] += write_part(parts, number, page, source, pool, options)
            bar.update(len(page))
    return counts | join(finished_parts(parts), options, parts)


def count(source: Source, last: str | None, bar: Any) -> None:
    """Sets the progress bar's total, once a concurrent listing has finished."""
    begun_at = bar.n
    with suppress(BotoCoreError, ClientError, OSError):  # the work itself reports the error
        total = begun_at + sum(len(keys) for keys in source.pages(last, MAX_PAGE))
        if not bar.disable:  # which it also is once it is closed
            bar.total = total
            bar.refresh()


def identity(options: argparse.Namespace) -> str:
    """What parts must have in common to belong together."""
    return f"{options.source} {options.model or ''}"


def part_name(number: int) -> str:
    return f"{number:06}.parquet"


def finished_parts(folder: Path) -> list[Path]:
    """The parts in their order. Raises CollectError where one is missing."""
    parts = sorted(folder.glob("*.parquet"))
    if [part.name for part in parts] != [part_name(number) for number in range(len(parts))]:
        # The run would continue after the last part and lose the results of missing ones.
        raise CollectError(f"parts are missing in {folder}; use --restart")
    return parts


def last_key(parts: Sequence[Path], source: str) -> str | None:
    """The last key of an earlier run, to go on after it; None to begin."""
    last = None
    for part in parts:
        schema = pq.read_schema(part)
        if not schema.equals(SCHEMA):
            raise CollectError(
                f"{part.parent} was written by another version of this tool; use --restart"
            )
        if schema.metadata[SOURCE_KEY].decode() != source:
            raise CollectError(f"{part.parent} was made from another source; use --restart")
        last = str(schema.metadata[LAST_KEY].decode())
    return last


def results_in(part: Path) -> int:
    return int(pq.read_schema(part).metadata[b"facenet.results"])


def write_part(
    folder: Path,
    number: int,
    page: Page,
    source: Source,
    pool: ThreadPoolExecutor,
    options: argparse.Namespace,
) -> int:
    """Write the rows of one page of keys as a part; the number of objects that are no results."""
    wanted = [key for key in page if is_result(key, source)]
    decoded = zip(wanted, map(decode, pool.map(source.read, wanted)), strict=True)
    known = [(result, page[key]) for key, result in decoded if result is not None]
    name = options.model
    chosen = [dated for dated in known if name is None or dated[0].model.matches(name)]
    table = pa.Table.from_pylist([row for dated in chosen for row in rows(*dated)], SCHEMA)
    metadata = {
        SOURCE_KEY: identity(options),
        LAST_KEY: list(page)[-1],
        b"facenet.results": str(len(chosen)),
    }
    path = folder / part_name(number)
    unfinished = path.with_suffix(".unfinished")
    pq.write_table(table.replace_schema_metadata(metadata), unfinished, compression="zstd")
    os.replace(unfinished, path)
    return len(page) - len(known)


def join(parts: Sequence[Path], options: argparse.Namespace, folder: Path) -> dict[str, int]:
    """Joins the parts, one row group each, and removes them."""
    counts: Mapping[str, int] = {"results": sum(map(results_in, parts))}
    if not counts["results"]:
        remove_parts(folder)
        what = f"results of the model {options.model!r}" if options.model else "results"
        raise CollectError(f"found no {what}; name the prefix of FACENET_OUTPUT")
    unfinished = folder / "joined.unfinished"
    with pq.ParquetWriter(unfinished, SCHEMA, compression="zstd") as writer:
        for table in read_tables(parts):
            writer.write_table(table)
    os.replace(unfinished, options.output)
    remove_parts(folder)
    return {**counts, "rows": pq.read_metadata(options.output).num_rows}


def read_tables(parts: Sequence[Path]) -> Iterator[pa.Table]:
    for part in parts:
        yield pq.read_table(part).replace_schema_metadata(None)


def remove_parts(parts: Path) -> None:
    """Removes all parts in one step: after an interruption, leftover ones would be continued."""
    os.replace(parts, discarded_folder(parts))
    remove(discarded_folder(parts))


def discarded_folder(parts: Path) -> Path:
    """The folder of parts that no run will use again."""
    return parts.with_name(parts.name + ".done")


def remove(folder: Path) -> None:
    """Remove a folder, if it is there."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as failure:
        why = failure.strerror or failure
        raise CollectError(f"{folder} cannot be removed ({why}); remove it") from failure


if __name__ == "__main__":
    sys.exit(main())
