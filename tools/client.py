"""A small client: plain HTTP for a local server, signed (SigV4) requests for AWS.

    python -m tools.client --url http://127.0.0.1:8080 compare A.jpg B.jpg
    python -m tools.client --url https://abc.execute-api.eu-west-1.amazonaws.com embed A.jpg
    python -m tools.client --function facenet detect A.jpg
    python -m tools.client enrol --collection staff --person Ann ANN1.jpg ANN2.jpg
    python -m tools.client search --collection staff PARTY.jpg
    python -m tools.client delete-person --collection staff --person Ann

Credentials are found as by every AWS tool: environment, profile, role.

Pictures that do not fit into a request are sent to the function's upload bucket, and removed once
they are answered. Without such a bucket they are reduced here.
"""

import argparse
import base64
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from botocore.httpsession import URLLib3Session

Json = dict[str, Any]
Image = str | Path | bytes | Json
TIMEOUT_S = 35
# Lambda takes 6 MB including the event around the request; base64 turns 3 bytes into 4.
UPLOAD_TIMEOUT_S = 300
REQUEST_BYTES = 4_300_000
SMALLER_SIDE = 1600
SMALLER_QUALITY = 92
# https://docs.aws.amazon.com/general/latest/gr/: the host says service and region.
AWS_HOST = re.compile(
    r"\.(?:(?P<lambda>lambda-url)\.(?P<url_region>[a-z0-9-]+)\.on\.aws"
    r"|execute-api\.(?P<api_region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?)$"
)


ROUTES = {
    "list_collections": ("GET", "collections"),
    "create_collection": ("PUT", "collections/{collection}"),
    "describe_collection": ("GET", "collections/{collection}"),
    "delete_collection": ("DELETE", "collections/{collection}"),
    "enrol": ("POST", "collections/{collection}/faces"),
    "delete_face": ("DELETE", "collections/{collection}/faces/{face}"),
    "list_persons": ("GET", "collections/{collection}/persons"),
    "describe_person": ("GET", "collections/{collection}/persons/{person}"),
    "delete_person": ("DELETE", "collections/{collection}/persons/{person}"),
    "search": ("POST", "collections/{collection}/search"),
}
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


@dataclass(eq=False)
class CallError(RuntimeError):
    """An answer that is an error: the API's own code, message and details."""

    status: int
    code: str
    message: str
    retryable: bool = False
    details: Json = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass(frozen=True)
class Client:
    """Every operation over one way of calling: `over_http` or `over_lambda`.

    >>> client = over_http("https://abc.lambda-url.eu-west-1.on.aws")
    >>> client.compare("a.jpg", "b.jpg")["same"]
    True
    """

    call: Callable[[str, Json], Json]

    def compare(self, *images: Image, **options: Any) -> Json:
        return self.ask("compare", images, options)

    def embed(self, *images: Image, **options: Any) -> Json:
        return self.ask("embed", images, options)

    def detect(self, *images: Image, **options: Any) -> Json:
        return self.ask("detect", images, options)

    def ask(self, operation: str, images: Sequence[Image], options: Json) -> Json:
        """The answer about pictures of any size. Raises CallError."""
        read = [read_image(image) for image in images]
        if size_of(read) <= REQUEST_BYTES:
            return self.call(operation, {**request_of(read), **options})
        try:
            sent = [self.upload(image) if isinstance(image, bytes) else image for image in read]
        except CallError as failure:
            if not is_off(failure):
                raise
            return self.call(operation, {**request_of(shrink(read)), **options})
        return self.call(operation, {**request_of(sent), "delete": True, **options})

    def upload(self, picture: bytes) -> Json:
        """The picture as an image by reference, once it is in the upload bucket."""
        request = {"count": 1, "content_type": content_type_of(picture)}
        (form,) = self.call("uploads", request)["uploads"]
        parts = [*form["fields"].items(), ("file", ("picture", picture))]
        body, content_type = urllib3.encode_multipart_formdata(parts)
        response = urllib3.request(
            "POST",
            form["url"],
            body=body,
            headers={"content-type": content_type},
            timeout=UPLOAD_TIMEOUT_S,
            retries=False,
        )
        if response.status >= 300:
            text = response.data.decode(errors="replace")
            code = re.search("<Code>([^<]{1,99})</Code>", text)
            raise CallError(response.status, code[1] if code else "UploadFailed", text[:200])
        return dict(form["image"])

    def create_collection(self, collection: str) -> Json:
        return self.call("create_collection", {"collection": collection})

    def collections(self, **page: Any) -> Json:
        return self.call("list_collections", page)

    def describe_collection(self, collection: str) -> Json:
        return self.call("describe_collection", {"collection": collection})

    def delete_collection(self, collection: str) -> Json:
        return self.call("delete_collection", {"collection": collection})

    def enrol(self, collection: str, person: str, *images: Image, **options: Any) -> Json:
        body = {"collection": collection, "person": person, **request_of(images), **options}
        return self.call("enrol", body)

    def search(self, collection: str, image: Image, **options: Any) -> Json:
        return self.call("search", {"collection": collection, **request_of([image]), **options})

    def persons(self, collection: str, **page: Any) -> Json:
        return self.call("list_persons", {"collection": collection, **page})

    def describe_person(self, collection: str, person: str) -> Json:
        return self.call("describe_person", {"collection": collection, "person": person})

    def delete_person(self, collection: str, person: str) -> Json:
        return self.call("delete_person", {"collection": collection, "person": person})

    def delete_face(self, collection: str, face: str) -> Json:
        return self.call("delete_face", {"collection": collection, "face": face})


def request_of(images: Sequence[Image]) -> Json:
    return {"cnt": len(images), "images": [image_of(image) for image in images]}


def image_of(image: Image) -> str | Json:
    """Bytes and files as base64, `s3://bucket/key` as a reference, an object as it is."""
    read = read_image(image)
    return base64.b64encode(read).decode() if isinstance(read, bytes) else read


def read_image(image: Image) -> bytes | Json:
    """Files as their bytes, `s3://bucket/key` as a reference, the rest as it is."""
    if isinstance(image, dict | bytes):
        return image
    if isinstance(image, str) and image.startswith("s3://"):
        bucket, _, key = image.removeprefix("s3://").partition("/")
        return {"s3": {"bucket": bucket, "key": key}}
    return Path(image).read_bytes()


def size_of(images: Sequence[bytes | Json]) -> int:
    """Bytes of the pictures that a request would carry itself."""
    return sum(len(image) for image in images if isinstance(image, bytes))


def content_type_of(picture: bytes) -> str:
    """The picture's type by its first bytes; the function refuses unknown ones."""
    if picture[4:8] == b"ftyp":
        return "image/heic"
    if picture.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if picture[8:12] == b"WEBP" else "image/jpeg"


def is_off(failure: CallError) -> bool:
    """Whether there is no upload bucket: the function says so, or an API without that route."""
    return failure.status == 404 or failure.code == "RouteNotFound"


def shrink(images: Sequence[bytes | Json]) -> list[bytes | Json]:
    """Reduces the pictures to a longest side of 1,600 pixels, as JPEG, as the page does."""
    import cv2
    import numpy as np

    def reduce(picture: bytes) -> bytes:
        pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            raise CallError(
                413, "PayloadTooLarge", "a picture is too large for a request, there is no upload "
                "bucket (Uploads=yes), and it cannot be made smaller here; send a JPEG"
            )  # fmt: skip
        scale = min(1.0, SMALLER_SIDE / max(pixels.shape[:2]))
        small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        quality = [cv2.IMWRITE_JPEG_QUALITY, SMALLER_QUALITY]
        return bytes(cv2.imencode(".jpg", small, quality)[1])

    return [reduce(image) if isinstance(image, bytes) else image for image in images]


def over_http(url: str, session: Any = None) -> Client:
    """Calls `url`/v1/...; requests to API Gateway and function URLs are signed."""
    place = AWS_HOST.search(urlsplit(url).hostname or "")
    http = URLLib3Session(timeout=TIMEOUT_S)

    def call(operation: str, body: Json) -> Json:
        method, path, content = route_of(operation, body)
        request = AWSRequest(
            method=method,
            url=f"{url.rstrip('/')}/v1/{path}",
            data=json.dumps(content).encode() if content else b"",
            headers={"Content-Type": "application/json"},
        )
        if place:
            sign(request, place, session or boto3.Session())
        response = http.send(request.prepare())
        return answer_of(response.status_code, response.content)

    return Client(call)


def route_of(operation: str, body: Json) -> tuple[str, str, Json]:
    """Method, path below /v1/ and JSON body of an operation; lists have a query and no body."""
    if operation not in ROUTES:
        return "POST", operation, body
    method, path = ROUTES[operation]
    named = {name: quote(str(body[name]), safe="") for name in re.findall(r"{(\w+)}", path)}
    rest = {name: value for name, value in body.items() if name not in named}
    if method == "GET" and rest:
        return method, f"{path.format(**named)}?{urlencode(rest)}", {}
    return method, path.format(**named), rest


def sign(request: AWSRequest, place: re.Match[str], session: Any) -> None:
    credentials = session.get_credentials()
    if credentials is None:
        raise CallError(403, "NoCredentials", "no AWS credentials found; run `aws configure`")
    service = "lambda" if place["lambda"] else "execute-api"
    region = place["url_region"] or place["api_region"]
    SigV4Auth(credentials.get_frozen_credentials(), service, region).add_auth(request)


def over_lambda(function: str, client: Any = None) -> Client:
    """Invokes a function directly, by name or ARN, without any HTTP front."""
    service = client or boto3.client("lambda")

    def call(operation: str, body: Json) -> Json:
        response = service.invoke(
            FunctionName=function, Payload=json.dumps({"operation": operation, **body}).encode()
        )
        status = 500 if "FunctionError" in response else 200
        return answer_of(status, response["Payload"].read())

    return Client(call)


def rekognition(url: str, session: Any = None) -> Any:
    """boto3's client of Amazon Rekognition, answered by the function at `url`.

    Its calls are signed for the service that stands at the address, API Gateway or Lambda; a local
    server takes any signature, so there credentials are made up where none are found.
    """
    place = AWS_HOST.search(urlsplit(url).hostname or "")
    session = session or boto3.Session()
    options: Json = {"region_name": session.region_name or "us-east-1"}
    if place:
        options["region_name"] = place["url_region"] or place["api_region"]
    elif session.get_credentials() is None:
        options |= {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
    client = session.client("rekognition", endpoint_url=url, **options)
    if place:
        service = "lambda" if place["lambda"] else "execute-api"

        def sign_for_gateway(request: Any, **_: Any) -> None:
            request.context.setdefault("signing", {})["signing_name"] = service

        client.meta.events.register("before-sign.rekognition", sign_for_gateway)
    return client


def answer_of(status: int, content: bytes) -> Json:
    """The answer's JSON object.

    Raises CallError for an error, the API's own or anyone else's, and for what is no such object.
    """
    code, retryable = f"HTTP{status}", status >= 500
    text = content.decode(errors="replace")[:200]
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        message = text if status >= 400 else f"expected a JSON object, got {text!r}"
        raise CallError(status, code, message, retryable)
    error = document.get("error")
    if isinstance(error, dict):
        raise CallError(
            status,
            error.get("code", code),
            error.get("message", text),
            error.get("retryable", retryable),
            error.get("details") or {},
        )
    if status >= 400:
        said = document.get("message") or document.get("Message") or document.get("errorMessage")
        raise CallError(status, code, str(said or text), retryable)
    return document


def parse_arguments(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m tools.client",
        description="Compare, embed, detect, enrol or search faces with the service.",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", default="http://127.0.0.1:8080", help="(%(default)s)")
    where.add_argument("--function", help="name or ARN of the Lambda function, called directly")
    pictures = ["compare", "embed", "detect", "enrol", "search"]
    parser.add_argument("operation", choices=[*pictures, *PLAIN_VERBS], metavar="VERB")
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
        client = over_lambda(options.function) if options.function else over_http(options.url)
        answer = run_operation(client, options)
    except EndpointConnectionError:
        return report_failure(
            f"no server answers at {options.url}; `make serve` starts a server, --url names it"
        )
    except (CallError, BotoCoreError, ClientError, OSError) as exc:
        return report_failure(str(exc))
    print(json.dumps(answer, indent=2))
    return 0


def report_failure(why: str) -> int:
    """Prints why there is no answer; returns the exit status."""
    print(f"failed: {why}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
