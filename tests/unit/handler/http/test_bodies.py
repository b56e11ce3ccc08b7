"""A body is told by its content type; forms stay in memory and inside their limits."""

import base64
import codecs
import json
import quopri
import tempfile
from typing import Any

import pytest

from fixtures import http_events
from handler.errors import ApiError
from handler.faces.requests import Job
from handler.http.bodies import read_job
from handler.http.message import HttpRequest, read_request
from handler.settings import Limits

LIMITS = Limits(images=3)
PICTURE = b"\xff\xd8 a picture \r\n--not-the-boundary\r\n" + bytes(range(256))


def request(
    body: bytes,
    content_type: str | None = None,
    query: dict[str, str] | None = None,
    **headers: str,
) -> HttpRequest:
    sent = {"content-type": content_type} if content_type is not None else {}
    text = base64.b64encode(body).decode()
    return HttpRequest("v2", "POST", "/v1/embed", "", {**sent, **headers}, query or {}, text, True)


def job(*arguments: Any, **keywords: Any) -> Job:
    return read_job(request(*arguments, **keywords), "embed", LIMITS)


def refusal(*arguments: Any, **keywords: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        job(*arguments, **keywords)
    return caught.value


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/problem+json",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "binary/octet-stream",
        "",
        None,
    ],
)
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_json_is_read_under_its_own_type_and_under_those_of_careless_clients(
    content_type: str | None, mark: bytes
) -> None:
    body = mark + json.dumps({"images": ["YQ=="]}).encode()
    assert job(body, content_type).sources == ("YQ==",)


@pytest.mark.parametrize("field", ["threshold", "min_quality", "cnt", "operation"])
def test_options_beside_a_json_body_are_not_passed_over_in_silence(field: str) -> None:
    body = json.dumps({"images": ["YQ=="]}).encode()
    error = refusal(body, "application/json", {field: "1"})
    assert (error.code, error.details) == ("InvalidRequest", {"field": field})
    assert "into the body" in error.message


BODIES = {
    "application/json": b'{"images": ["YQ=="]}',
    "image/jpeg": b"\xff\xd8",
    "multipart/form-data; boundary=b": b"--b\r\ncontent-disposition: form-data; name=images; "
    b"filename=a.jpg\r\n\r\n\xff\xd8\r\n--b--\r\n",
}


@pytest.mark.parametrize("content_type", BODIES)
def test_unknown_query_parameters_are_refused_beside_every_body(content_type: str) -> None:
    error = refusal(BODIES[content_type], content_type, {"treshold": "1"})
    assert error.code == "InvalidRequest"
    assert "treshold" in error.message


@pytest.mark.parametrize("content_type", BODIES)
def test_a_signature_in_the_query_is_the_gateways_business(content_type: str) -> None:
    query = {"X-Amz-Signature": "ab", "X-Amz-Date": "20261129T000000Z"}
    assert len(job(BODIES[content_type], content_type, query).sources) == 1


@pytest.mark.parametrize(
    "content_type",
    [
        "image/jpeg",
        "image/png",
        "IMAGE/WEBP",
        "image/jpg",
        "image/pjpeg",
        "image/x-png",
        "image/*",
        "application/octet-stream",
        "binary/octet-stream",
        "",
        None,
    ],
)
def test_a_bare_picture_takes_its_options_from_the_query(content_type: str | None) -> None:
    read = job(PICTURE, content_type, {"face": "all", "encoding": "base64", "flip": "false"})
    assert read.sources == (PICTURE,)
    assert (read.rule, read.options.encoding, read.options.flip) == ("all", "base64", False)


@pytest.mark.parametrize("content_type", ["image/gif", "text/html", "video/mp4", "multipart/mixed"])
def test_another_type_is_unsupported(content_type: str) -> None:
    assert refusal(PICTURE, content_type).code == "UnsupportedFormat"


def test_a_compressed_body_is_unsupported() -> None:
    headers = {"content-encoding": "gzip"}
    assert refusal(b"{}", "application/json", **headers).code == "UnsupportedFormat"


class TestForms:
    def form(
        self, files: dict[str, bytes], fields: dict[str, str] | None = None, limits: Limits = LIMITS
    ) -> Job:
        event = http_events.multipart("/v1/embed", files, fields or {})
        return read_job(read_request(event), "embed", limits)

    def test_files_are_the_images_in_order_and_fields_the_options(self) -> None:
        read = self.form({"a.jpg": PICTURE, "b.jpg": b"2"}, {"cnt": "2", "aligned": "false"})
        assert read.sources == (PICTURE, b"2")
        assert read.options.aligned is False

    def test_the_operation_may_be_said_again(self) -> None:
        assert self.form({"a.jpg": PICTURE}, {"operation": "embed"}).operation == "embed"
        for other, code in (("detect", "InvalidRequest"), ("guess", "UnknownOperation")):
            with pytest.raises(ApiError) as caught:
                self.form({"a.jpg": PICTURE}, {"operation": other})
            assert caught.value.code == code

    def test_a_part_of_a_pictures_type_needs_no_file_name(self) -> None:
        body = (
            b'--b\r\nContent-Disposition: form-data; name="x"\r\nContent-Type: image/png\r\n'
            b"\r\nP\r\n--b--\r\n"
        )
        assert job(body, "multipart/form-data; boundary=b").sources == (b"P",)

    @pytest.mark.parametrize(
        "disposition",
        [
            "name=images; filename*=utf-8''m%C3%BCnchen.jpg",
            "name=images; filename*=\"utf-8''a.jpg\"",
            "name=images; filename=a.jpg; filename*=utf-8''a.jpg",
            'name=images; filename=""',
            'name="note; filename*=x"; filename=x',
        ],
    )
    def test_a_part_with_a_file_name_of_any_spelling_is_an_image(self, disposition: str) -> None:
        picture = bytes(range(256)) * 40
        assert self.parts((f"{disposition}", "", picture)).sources == (picture,)

    @pytest.mark.parametrize(
        "kind",
        ["application/octet-stream", "binary/octet-stream", "image/jpg", "image/heic", "image/*"],
    )
    def test_a_part_of_bytes_needs_no_file_name(self, kind: str) -> None:
        picture = bytes(range(256)) * 40
        assert self.parts(("name=images", kind, picture)).sources == (picture,)

    def test_a_name_that_looks_like_a_file_name_is_none(self) -> None:
        with pytest.raises(ApiError, match="is not a known field"):
            self.parts(('name="filename*=x"', "", b"1"), ("name=i; filename=x", "", b"P"))

    EMPTY = ('name="images"; filename=""', "application/octet-stream", b"")

    @pytest.mark.parametrize("count", [1, 2])
    def test_a_form_with_empty_file_inputs_alone_says_that_no_image_was_chosen(
        self, count: int
    ) -> None:
        with pytest.raises(ApiError, match="no image was chosen") as caught:
            self.parts(*[self.EMPTY] * count, ("name=aligned", "", b"true"))
        assert (caught.value.code, caught.value.status) == ("InvalidRequest", 400)
        assert caught.value.details == {"field": "images"}

    def test_an_empty_file_input_beside_an_image_is_ignored(self) -> None:
        read = self.parts(self.EMPTY, ("name=images; filename=a.jpg", "", b"P"), self.EMPTY)
        assert read.sources == (b"P",)

    def test_an_empty_file_that_was_chosen_is_not_ignored(self) -> None:
        assert self.parts(("name=images; filename=a.jpg", "image/jpeg", b"")).sources == (b"",)

    def test_a_picture_that_was_decoded_as_text_says_so(self) -> None:
        replaced = b"\xff\xd8\xff\xe0JFIF".decode("utf-8", "replace").encode()
        for read in (
            lambda: self.parts(("name=images; filename=a.jpg", "image/jpeg", replaced)),
            lambda: job(replaced, "image/jpeg"),
        ):
            with pytest.raises(ApiError, match="binaryMediaTypes") as caught:
                read()
            assert caught.value.code == "UnsupportedFormat"

    def parts(self, *given: tuple[str, str, bytes]) -> Job:
        """The job of a form whose parts have these dispositions, types (or none) and contents."""
        body = b"".join(
            f"--b\r\nContent-Disposition: form-data; {disposition}\r\n".encode()
            + (f"Content-Type: {kind}\r\n".encode() if kind else b"")
            + b"\r\n"
            + content
            + b"\r\n"
            for disposition, kind, content in given
        )
        return job(body + b"--b--\r\n", "multipart/form-data; boundary=b")

    @pytest.mark.parametrize("encoding", ["binary", "8bit", "7BIT", "base64", "Quoted-Printable"])
    def test_a_part_may_be_encoded_as_in_mail(self, encoding: str) -> None:
        picture = bytes(range(256)) * 40
        encode = {"base64": base64.encodebytes, "Quoted-Printable": quopri.encodestring}
        content = encode.get(encoding, bytes)
        header = f"\r\nContent-Transfer-Encoding: {encoding}"
        read = self.parts(
            (f"name=images; filename=a.jpg{header}", "", content(picture)),
            (f"name=face{header}", "", content(b"all")),
        )
        assert read.sources == (picture,)
        assert read.rule == "all"

    @pytest.mark.parametrize(
        ("encoding", "code", "says"),
        [
            ("base64", "InvalidBase64", "form part is not valid base64"),
            ("x-uuencode", "UnsupportedFormat", "content-transfer-encoding"),
        ],
    )
    def test_a_part_whose_encoding_cannot_be_undone_is_refused(
        self, encoding: str, code: str, says: str
    ) -> None:
        header = f"\r\nContent-Transfer-Encoding: {encoding}"
        with pytest.raises(ApiError, match=says) as caught:
            self.parts((f"name=images; filename=a.jpg{header}", "", b"\xff\xd8!"))
        assert caught.value.code == code

    @pytest.mark.parametrize("value", ["nein", "", "2"])
    def test_a_wrong_option_is_named(self, value: str) -> None:
        with pytest.raises(ApiError) as caught:
            self.form({"a.jpg": PICTURE}, {"aligned": value})
        assert caught.value.details == {"field": "aligned"}

    def test_a_form_without_a_file_names_what_is_missing(self) -> None:
        with pytest.raises(ApiError) as caught:
            self.form({}, {"flip": "true"})
        assert caught.value.details == {"field": "images"}

    def test_too_many_files_are_refused(self) -> None:
        with pytest.raises(ApiError) as caught:
            self.form({f"{number}.jpg": b"x" for number in range(4)})
        assert caught.value.code == "PayloadTooLarge"

    def test_too_many_parts_are_refused(self) -> None:
        with pytest.raises(ApiError) as caught:
            self.form({f"{number}.jpg": b"x" for number in range(200)})
        assert caught.value.code == "PayloadTooLarge"

    def test_a_long_field_is_refused(self) -> None:
        with pytest.raises(ApiError) as caught:
            self.form({"a.jpg": b"x"}, {"face": "x" * 5000})
        assert caught.value.code == "PayloadTooLarge"

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"", "multipart/form-data; boundary=b"),
            (b"--b\r\n", "multipart/form-data; boundary=b"),
            (b"--b--\r\n", "multipart/form-data"),
            (b"nothing of the kind", "multipart/form-data; boundary=b"),
            (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
             "multipart/form-data; boundary=b"),
            (b"--b\r\nContent-Disposition: form-data; name=face\r\n\r\n\xff\xfe\r\n--b--\r\n",
             "multipart/form-data; boundary=b"),
            (b"--\xc3\xa9\r\n", "multipart/form-data; boundary=\ud800"),
        ],
    )  # fmt: skip
    def test_what_is_no_form_is_refused(self, body: bytes, content_type: str) -> None:
        assert refusal(body, content_type).code == "InvalidRequest"

    def test_a_field_is_utf_8_whatever_it_says(self) -> None:
        body = (
            b"--b\r\nContent-Disposition: form-data; name=face\r\n"
            b"Content-Type: text/plain; charset=nope\r\n\r\nall\r\n"
            b"--b\r\nContent-Disposition: form-data; name=x; filename=x\r\n\r\nP\r\n--b--\r\n"
        )
        assert job(body, "multipart/form-data; boundary=b").rule == "all"

    def test_no_picture_is_ever_written_to_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_arguments: Any, **_keywords: Any) -> None:
            raise AssertionError("a temporary file was opened")

        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
        large = bytes(3_000_000)
        assert self.form({"a.jpg": large}).sources == (large,)
