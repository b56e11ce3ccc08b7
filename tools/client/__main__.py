"""Compare, embed, detect, enrol or search faces with the service.

python -m tools.client --url http://127.0.0.1:8080 compare A.jpg B.jpg
python -m tools.client --url https://abc.execute-api.eu-west-1.amazonaws.com embed A.jpg
python -m tools.client --function facenet detect A.jpg
python -m tools.client enrol --collection staff --person Ann ANN1.jpg ANN2.jpg
python -m tools.client search --collection staff PARTY.jpg
python -m tools.client delete-person --collection staff --person Ann
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from tools.client.answers import CallError, Json
from tools.client.calls import Client
from tools.client.target import add_target, client_of
from tools.failure import report_failure

# Verbs of the command line that take no picture, with what they are given in its place.
PLAIN_VERBS = {
    "create-collection": ("collection",),
    "describe-collection": ("collection",),
    "delete-collection": ("collection",),
    "collections": (),
    "persons": ("collection",),
    "describe-person": ("collection", "person"),
    "delete-person": ("collection", "person"),
    "delete-face": ("collection", "face"),
}


def parse_arguments(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m tools.client",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target(parser)
    verbs = ["compare", "embed", "detect", "enrol", "search", *PLAIN_VERBS]
    parser.add_argument("operation", choices=verbs, metavar="VERB", help=", ".join(verbs))
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="a file or s3://bucket/key")
    parser.add_argument("--collection", help="of enrol, search and all verbs about collections")
    parser.add_argument("--person", help="the person to enrol, describe or delete")
    parser.add_argument("--id", dest="face_id", help="the face to delete")
    parser.add_argument("--limit", type=int, help="persons per face, or names per page")
    parser.add_argument("--max-fpir", type=float, help="probability that a stranger is matched")
    parser.add_argument("--face", choices=["largest", "central", "all"])
    decision = parser.add_mutually_exclusive_group()
    decision.add_argument("--threshold", type=float, help="largest distance of one person")
    decision.add_argument("--far", type=float, help="false-accept rate, in place of a threshold")
    parser.add_argument(
        "--min-quality", type=float, help="0 to 1; 0 accepts faces that are refused by default"
    )
    parser.add_argument("--encoding", choices=["float", "base64"])
    parser.add_argument("--aligned", action="store_true", default=None)
    chosen = parser.parse_intermixed_args(arguments)
    lacking = missing_option(chosen)
    if lacking:
        parser.error(f"{chosen.operation} needs {lacking}")
    return chosen


def missing_option(options: Any) -> str | None:
    """The option that the verb needs and was not given."""
    needed = PLAIN_VERBS.get(options.operation)
    if needed is None:
        about = {"enrol": ("collection", "person"), "search": ("collection",)}
        needed = about.get(options.operation, ())
        if not options.images:
            return "an image"
    given = {"collection": options.collection, "person": options.person, "face": options.face_id}
    names = {"collection": "--collection", "person": "--person", "face": "--id"}
    return next((names[name] for name in needed if not given[name]), None)


def run_operation(client: Client, options: Any) -> Json:
    """Runs the operation of the command line; returns its answer."""
    names = ("face", "threshold", "far", "min_quality", "encoding", "aligned", "limit", "max_fpir")
    chosen = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    verb = options.operation.replace("-", "_")
    if options.operation in PLAIN_VERBS:
        given = {
            "collection": options.collection,
            "person": options.person,
            "face": options.face_id,
        }
        arguments = [given[name] for name in PLAIN_VERBS[options.operation]]
        plain: Json = getattr(client, verb)(*arguments, **chosen)
        return plain
    if verb == "enrol":
        return client.enrol(options.collection, options.person, *options.images, **chosen)
    if verb == "search":
        return client.search(options.collection, *options.images, **chosen)
    answer: Json = getattr(client, verb)(*options.images, **chosen)
    return answer


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse_arguments(arguments)
    try:
        answer = run_operation(client_of(options), options)
    except EndpointConnectionError:
        return report_failure(
            f"no server answers at {options.url}; `make serve` starts a server, --url names it"
        )
    except (CallError, BotoCoreError, ClientError, OSError) as exc:
        return report_failure(exc)
    print(json.dumps(answer, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
