"""What can be asked of the service."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import urllib3

from tools.client.answers import CallError, Json
from tools.client.pictures import (
    REQUEST_BYTES,
    Image,
    content_type_of,
    read_image,
    request_of,
    shrink,
    size_of,
)

UPLOAD_TIMEOUT_S = 300


@dataclass(frozen=True)
class Client:
    """Every operation over one way of calling: `over_http` or `over_lambda`."""

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


def is_off(failure: CallError) -> bool:
    """Whether there is no upload bucket: the function says so, or an API without that route."""
    return failure.status == 404 or failure.code == "RouteNotFound"
