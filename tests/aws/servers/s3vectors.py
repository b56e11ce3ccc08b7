"""A small server of Amazon S3 Vectors' API, for tests; no emulator has its QueryVectors.

Every request and answer is checked against botocore's own model of the service: shapes, required
members, lengths, ranges and patterns. On top come the rules that AWS's documentation gives in
words: 20 MiB a request, 100 answers a query, 2 KB of filterable metadata, a filter only over
filterable keys. Queries are exact here, so recall is what only AWS shows.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-limitations.html
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
import numpy as np
from botocore.validate import ParamValidator

MAX_REQUEST = 20 * 1024 * 1024
MAX_FILTERABLE = 2048
MAX_METADATA = 40 * 1024
TOP_K = 100
ACCOUNT, REGION = "000000000000", "us-east-1"
Json = dict[str, Any]


class Refused(Exception):  # noqa: N818 - what the service calls an exception, by its code
    """An error of the service."""

    def __init__(self, code: str, status: int, message: str = "refused") -> None:
        super().__init__(code)
        self.code, self.status, self.message = code, status, message


def invalid(message: str) -> Refused:
    return Refused("ValidationException", 400, message)


@dataclass
class VectorIndex:
    """One index: what it was made with, and its vectors."""

    dimension: int
    unfiltered: frozenset[str]
    vectors: dict[str, tuple[np.ndarray, Json]] = field(default_factory=dict)


@dataclass
class Service:
    """The vector buckets, and what is to go wrong.

    Args:
        before: Called with each operation's name and arguments; what it raises is the answer.
        after: Called when an operation is done; what it raises replaces its answer.
        denied: Actions that the caller has no permission for.
    """

    buckets: dict[str, dict[str, VectorIndex]] = field(default_factory=dict)
    before: Callable[[str, Json], None] = lambda name, body: None
    after: Callable[[str, Json], None] = lambda name, body: None
    denied: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, name: str, body: Json) -> Json:
        self.calls.append(name)
        self.before(name, body)
        if name in self.denied:
            raise Refused("AccessDeniedException", 403)
        with self.lock:
            result: Json = getattr(self, name)(body)
        self.after(name, body)
        return result

    def all_keys(self) -> set[str]:
        """Keys of every vector of every index."""
        with self.lock:
            indexes = [index for bucket in self.buckets.values() for index in bucket.values()]
            return {key for index in indexes for key in index.vectors}

    def CreateIndex(self, body: Json) -> Json:  # noqa: N802 - the operation's name
        indexes = self.bucket(body)
        name = body["indexName"]
        if name in indexes:
            raise Refused("ConflictException", 409)
        unfiltered = body.get("metadataConfiguration", {}).get("nonFilterableMetadataKeys", [])
        indexes[name] = VectorIndex(body["dimension"], frozenset(unfiltered))
        arn = f"arn:aws:s3vectors:{REGION}:{ACCOUNT}:bucket/{body['vectorBucketName']}/index/{name}"
        return {"indexArn": arn}

    def DeleteIndex(self, body: Json) -> Json:  # noqa: N802
        self.index(body)
        del self.bucket(body)[body["indexName"]]
        return {}

    def PutVectors(self, body: Json) -> Json:  # noqa: N802
        index = self.index(body)
        for vector in body["vectors"]:
            self.check(vector, index)
        for vector in body["vectors"]:
            data = np.asarray(vector["data"]["float32"], np.float32)
            index.vectors[vector["key"]] = (data, vector.get("metadata", {}))
        return {}

    def GetVectors(self, body: Json) -> Json:  # noqa: N802
        index = self.index(body)
        found = [key for key in body["keys"] if key in index.vectors]
        return {"vectors": [self.shown(key, index, body) for key in found]}

    def DeleteVectors(self, body: Json) -> Json:  # noqa: N802
        index = self.index(body)
        for key in body["keys"]:
            index.vectors.pop(key, None)
        return {}

    def ListVectors(self, body: Json) -> Json:  # noqa: N802
        index = self.index(body)
        keys = sorted(index.vectors)
        start = int(body.get("nextToken", 0))
        end = start + body.get("maxResults", 500)
        page: Json = {"vectors": [self.shown(key, index, body) for key in keys[start:end]]}
        return {**page, "nextToken": str(end)} if end < len(keys) else page

    def QueryVectors(self, body: Json) -> Json:  # noqa: N802
        index = self.index(body)
        if body["topK"] > TOP_K:
            raise invalid(f"topK is above {TOP_K}")
        wanted = body.get("filter")
        if (wanted or body.get("returnMetadata")) and "GetVectors" in self.denied:
            raise Refused("AccessDeniedException", 403)
        probe = np.asarray(body["queryVector"]["float32"], np.float32)
        if len(probe) != index.dimension:
            raise invalid("the query has another dimension")
        near = sorted(
            (float(((vector - probe) ** 2).sum()), key)
            for key, (vector, metadata) in index.vectors.items()
            if wanted is None or self.fits(metadata, wanted, index)
        )
        rows = [{"key": key, "distance": distance} for distance, key in near[: body["topK"]]]
        return {"vectors": rows, "distanceMetric": "euclidean"}

    def bucket(self, body: Json) -> dict[str, VectorIndex]:
        if body.get("vectorBucketName") not in self.buckets:
            raise Refused("NotFoundException", 404)
        return self.buckets[body["vectorBucketName"]]

    def index(self, body: Json) -> VectorIndex:
        found = self.bucket(body).get(body.get("indexName", ""))
        if found is None:
            raise Refused("NotFoundException", 404)
        return found

    @staticmethod
    def shown(key: str, index: VectorIndex, body: Json) -> Json:
        data, metadata = index.vectors[key]
        row: Json = {"key": key}
        if body.get("returnData"):
            row["data"] = {"float32": data.tolist()}
        if body.get("returnMetadata"):
            row["metadata"] = metadata
        return row

    @staticmethod
    def check(vector: Json, index: VectorIndex) -> None:
        data = np.asarray(vector["data"]["float32"], np.float32)
        if len(data) != index.dimension or not np.isfinite(data).all():
            raise invalid("the vector has another dimension or is not finite")
        metadata = vector.get("metadata", {})
        filterable = {key: value for key, value in metadata.items() if key not in index.unfiltered}
        if len(json.dumps(filterable, ensure_ascii=False).encode()) > MAX_FILTERABLE:
            raise invalid("filterable metadata is above 2 KB")
        if len(json.dumps(metadata, ensure_ascii=False).encode()) > MAX_METADATA:
            raise invalid("metadata is above 40 KB")

    @staticmethod
    def fits(metadata: Json, wanted: Json, index: VectorIndex) -> bool:
        """`{"key": {"$nin": [...]}}` and `{"key": {"$eq": ...}}`: what the handler may use."""
        for key, condition in wanted.items():
            if key in index.unfiltered:
                raise invalid(f"{key} is not filterable")
            ((operator, operand),) = condition.items()
            if operator == "$nin":
                if metadata.get(key) in operand:
                    return False
            elif operator == "$eq":
                if metadata.get(key) != operand:
                    return False
            else:
                raise invalid(f"unknown operator {operator}")
        return True


MODEL = botocore.session.get_session().get_service_model("s3vectors")


def check_shape(value: Any, shape: Any, path: str = "") -> None:
    """Lengths, ranges, choices and patterns, which botocore's validator leaves to the service."""
    metadata = shape.metadata
    size = value if shape.type_name in ("integer", "float") else None
    if shape.type_name in ("string", "list"):
        size = len(value)
    if size is not None and not metadata.get("min", size) <= size <= metadata.get("max", size):
        raise invalid(f"{path}: length or value {size} is out of range")
    if "pattern" in metadata and not re.fullmatch(metadata["pattern"], value):
        raise invalid(f"{path}: does not match {metadata['pattern']}")
    if shape.type_name == "string" and getattr(shape, "enum", None) and value not in shape.enum:
        raise invalid(f"{path}: is none of {shape.enum}")
    if shape.type_name == "list":
        for item in value:
            check_shape(item, shape.member, f"{path}[]")
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        unknown = set(value) - set(shape.members)
        if unknown:
            raise invalid(f"{path}: unknown members {sorted(unknown)}")
        for name, item in value.items():
            check_shape(item, shape.members[name], f"{path}.{name}")


def check_against_model(value: Json, shape: Any) -> None:
    """Raises ValidationException where `value` is not of the model's shape."""
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        raise invalid(report.generate_report())
    check_shape(value, shape)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        try:
            self.send(200, self.result(content))
        except Refused as refusal:
            self.send(refusal.status, {"message": refusal.message}, refusal.code)
        except ConnectionAbortedError:
            self.close_connection = True

    def result(self, content: bytes) -> Json:
        if not self.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256"):
            raise Refused("AccessDeniedException", 403, "not signed")
        if len(content) > MAX_REQUEST:
            raise invalid("the request is above 20 MiB")
        name = self.path.strip("/")
        operation = MODEL.operation_model(name)
        body = json.loads(content)
        check_against_model(body, operation.input_shape)
        result = self.server.service.answer(name, body)
        if operation.output_shape is not None:
            check_against_model(result, operation.output_shape)
        return result

    def send(self, status: int, body: Json, code: str | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        if code:
            self.send_header("x-amzn-errortype", code)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """Listens on a free port of this machine."""

    daemon_threads = True

    def __init__(self, service: Service) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.service = service

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


@contextmanager
def running(bucket: str = "vectors") -> Iterator[Server]:
    """The server with one vector bucket, for the length of a `with`."""
    server = Server(Service({bucket: {}}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def client(server: Server, **config: Any) -> Any:
    """A boto3 client of the server."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3vectors",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 4},
            connect_timeout=1,
            read_timeout=3,
            **config,
        ),
    )
