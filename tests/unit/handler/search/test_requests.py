"""Collections from outside: HTTP, direct invocation and queue, on pictures of coloured people."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import align
from fixtures.http_events import http_v2
from handler import app
from handler.batch.deadline import Deadline
from handler.batch.output import Output
from handler.batch.queued import QueuedRequests
from handler.faces.service import Service
from handler.invocation import Invocation
from handler.search.service import person_vectors
from tests.unit.handler.batch.fakes import FakeStore
from tests.unit.handler.service_fakes import (
    BLACK,
    BLUE,
    CONTRACT,
    DARK_RED,
    GREEN,
    RED,
    FakeContext,
    FakeDetector,
    face_at,
    make_service,
    picture,
)

Json = dict[str, Any]


def text(colour: tuple[int, int, int]) -> str:
    return base64.b64encode(picture(colour)).decode()


def two_faces(seen: align.Picture) -> list[align.Face]:
    """A large face on the left and a small one on the right."""
    return [face_at(2, 8, 30, 40), face_at(40, 20, 52, 32)]


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return make_service(
        collections=str(tmp_path / "truth"),
        persons=person_vectors,
    )


@pytest.fixture
def call(service: Service) -> Callable[..., Json]:
    """One direct invocation."""

    def invoke(operation: str, **body: Any) -> Json:
        answer: Json = app.dispatch({"operation": operation, **body}, FakeContext(), service)
        return answer

    return invoke


@pytest.fixture
def staff(call: Callable[..., Json]) -> Callable[..., Json]:
    """The collection `staff` with two persons; answers calls about it."""
    call("create_collection", collection="staff")
    call("enrol", collection="staff", person="red", images=[text(RED)])
    call("enrol", collection="staff", person="green", images=[text(GREEN)])
    return lambda operation, **body: call(operation, collection="staff", **body)


def http(service: Service, method: str, path: str, body: Any = None, **more: Any) -> Json:
    content = json.dumps(body) if body is not None else ""
    event = http_v2(path, content, method=method, **more)
    response = app.dispatch(event, FakeContext(), service)
    return {"status": response["statusCode"], **json.loads(response["body"])}


def test_a_search_names_who_it_is(staff: Callable[..., Json]) -> None:
    answer = staff("search", images=[text(DARK_RED)])
    (image,) = answer["images"]
    (face,) = image["faces"]
    assert face["unknown"] is False
    (match,) = face["matches"]
    assert match["person"] == "red"
    assert match["faces"][0]["distance"] == match["distance"] < 0.1
    assert match["similarity"] > 0.9
    assert face["box"]["width"] > 0
    assert answer["gallery"] == {"persons": 2, "faces": 2}
    assert (answer["max_fpir"], answer["far"]) == (0.01, 0.005)
    assert 0.3 < answer["threshold"] < 0.5
    assert (answer["collection"], answer["operation"]) == ("staff", "search")
    assert "far_wanted" not in answer


def test_a_stranger_is_unknown(staff: Callable[..., Json]) -> None:
    (face,) = staff("search", images=[text(BLUE)])["images"][0]["faces"]
    assert (face["unknown"], face["matches"]) == (True, [])


def test_persons_come_nearest_first_and_no_more_than_asked(staff: Callable[..., Json]) -> None:
    wide = staff("search", images=[text(DARK_RED)], threshold=2)
    assert [match["person"] for match in wide["images"][0]["faces"][0]["matches"]] == [
        "red",
        "green",
    ]
    assert (wide["threshold"], wide["far"], wide["max_fpir"]) == (2.0, None, None)
    one = staff("search", images=[text(DARK_RED)], threshold=2, limit=1)
    assert len(one["images"][0]["faces"][0]["matches"]) == 1


def test_the_threshold_follows_the_gallery(
    call: Callable[..., Json], staff: Callable[..., Json]
) -> None:
    few = staff("search", images=[text(BLUE)])["threshold"]
    for number in range(6):
        colour = (200, 20 * number, 40)
        staff("enrol", person=f"person {number}", images=[text(colour)])
    assert staff("search", images=[text(BLUE)])["threshold"] < few


def test_beyond_the_table_the_strictest_is_used_and_said(staff: Callable[..., Json]) -> None:
    answer = staff("search", images=[text(BLUE)], max_fpir=0.0002)
    assert (answer["threshold"], answer["far"], answer["far_wanted"]) == (0.3, 0.001, 0.0001)


def test_a_rate_may_be_given_instead(staff: Callable[..., Json]) -> None:
    answer = staff("search", images=[text(BLUE)], far=0.01)
    assert (answer["threshold"], answer["far"], answer["max_fpir"]) == (0.5, 0.01, None)


@pytest.mark.parametrize("pair", ["far threshold", "max_fpir far", "max_fpir threshold"])
def test_one_threshold_is_enough(staff: Callable[..., Json], pair: str) -> None:
    answer = staff("search", images=[text(BLUE)], **dict.fromkeys(pair.split(), 0.5))
    assert answer["error"]["code"] == "InvalidRequest"


def test_all_faces_of_a_group_photograph_are_named(
    tmp_path: Path, service: Service, staff: Callable[..., Json]
) -> None:
    group = make_service(
        FakeDetector(two_faces),
        collections=str(tmp_path / "truth"),
    )
    event = {"operation": "search", "collection": "staff", "images": [text(GREEN)]}
    faces = app.dispatch(event, FakeContext(), group)["images"][0]["faces"]
    assert [face["matches"][0]["person"] for face in faces] == ["green", "green"]
    largest = app.dispatch({**event, "face": "largest"}, FakeContext(), group)
    assert len(largest["images"][0]["faces"]) == 1


def test_enrolling_says_which_faces_and_why_others_not(staff: Callable[..., Json]) -> None:
    answer = staff("enrol", person="new", images=[text(BLUE), text(BLACK), "bm8gcGljdHVyZQ=="])
    first, second, third = answer["images"]
    assert [face["added"] for face in first["faces"]] == [True]
    assert first["faces"][0]["face"]["score"] > 0
    assert (second["faces"], second["error"]["code"]) == ([], "FaceNotFound")
    assert (third["faces"], third["error"]["code"]) == ([], "UnsupportedFormat")
    assert second["error"]["details"]["image"] == 1
    assert answer["gallery"] == {"persons": 3, "faces": 3}
    again = staff("enrol", person="new", images=[text(BLUE)])
    assert [face["added"] for face in again["images"][0]["faces"]] == [False]
    assert again["images"][0]["faces"][0]["id"] == first["faces"][0]["id"]
    assert again["gallery"] == {"persons": 3, "faces": 3}


def test_pictures_without_any_face_are_an_error(staff: Callable[..., Json]) -> None:
    answer = staff("enrol", person="new", images=[text(BLACK), text(BLACK)])
    assert answer["error"]["code"] == "FaceNotFound"
    assert staff("describe_collection")["gallery"] == {"persons": 2, "faces": 2}


def test_low_quality_is_not_enrolled(staff: Callable[..., Json]) -> None:
    answer = staff("enrol", person="new", images=[text(BLUE)], min_quality={"size": 500})
    assert answer["error"]["code"] == "LowQuality"


def test_an_embedding_can_be_enrolled_and_searched(staff: Callable[..., Json]) -> None:
    blue = {"embedding": [0.1, 0.1, 0.99], "model": CONTRACT}
    answer = staff("enrol", person="blue", images=[blue])
    assert answer["images"][0]["faces"][0]["added"] is True
    found = staff("search", images=[blue])
    assert found["images"][0]["faces"][0]["matches"][0]["person"] == "blue"
    assert found["images"][0]["width"] is None


def test_a_person_is_a_side_of_a_comparison(call: Callable[..., Json], staff: Any) -> None:
    red = {"collection": "staff", "person": "red"}
    same = call("compare", images=[text(DARK_RED), red])
    other = call("compare", images=[red, text(BLUE)])
    assert (same["same"], other["same"]) == (True, False)
    assert same["images"][1] == {"index": 1, "width": None, "height": None, "faces": []}
    both = call("compare", images=[red, {"collection": "staff", "person": "green"}])
    assert both["same"] is False
    for wrong, code in (
        ({**red, "person": "nobody"}, "PersonNotFound"),
        ({**red, "collection": "none"}, "CollectionNotFound"),
        ({"person": "red"}, "InvalidRequest"),
        ({"collection": "staff"}, "InvalidRequest"),
    ):
        answer = call("compare", images=[text(RED), wrong])
        assert answer["error"]["code"] == code
    assert call("embed", images=[red])["error"]["code"] == "InvalidRequest"
    assert call("embed", images=[red])["error"]["message"].startswith("images[0]: A person")


def test_another_way_of_embedding_is_another_contract(staff: Callable[..., Json]) -> None:
    for operation in ("enrol", "search"):
        more = {"person": "red"} if operation == "enrol" else {}
        error = staff(operation, images=[text(RED)], flip=True, **more)["error"]
        assert error["code"] == "ModelMismatch"
        assert error["details"]["contract"] == CONTRACT
        assert error["details"]["model"] != error["details"]["contract"]


def test_everything_by_http(service: Service) -> None:
    base, name = "/v1/collections/staff", quote("Zoë a/b", safe="")
    made = http(service, "PUT", base)
    assert (made["status"], made["operation"]) == (200, "create_collection")
    assert (made["contract"], made["engine"]) == (CONTRACT, "memory")
    assert http(service, "GET", "/v1/collections")["collections"] == ["staff"]
    body = {"person": "Zoë a/b", "images": [text(RED)]}
    enrolled = http(service, "POST", f"{base}/faces", body)
    (face,) = enrolled["images"][0]["faces"]
    assert http(service, "GET", base)["gallery"] == {"persons": 1, "faces": 1}
    assert http(service, "GET", f"{base}/persons")["persons"] == ["Zoë a/b"]
    assert http(service, "GET", f"{base}/persons/{name}")["faces"] == [
        {"id": face["id"], "source": None}
    ]
    # Some gateways decode the path on the way.
    assert http(service, "GET", f"{base}/persons/Zoë a/b")["faces"][0]["id"] == face["id"]
    found = http(service, "POST", f"{base}/search", {"images": [text(RED)]})
    assert found["images"][0]["faces"][0]["matches"][0]["person"] == "Zoë a/b"
    assert http(service, "DELETE", f"{base}/faces/{face['id']}")["faces"] == [face["id"]]
    assert http(service, "DELETE", f"{base}/persons/{name}")["status"] == 404
    http(service, "POST", f"{base}/faces", body)
    assert http(service, "DELETE", f"{base}/persons/{name}")["persons"] == 1
    assert http(service, "DELETE", base)["status"] == 200
    assert http(service, "GET", base)["error"]["code"] == "CollectionNotFound"


def test_a_bare_picture_and_a_form_search_and_enrol(service: Service) -> None:
    http(service, "PUT", "/v1/collections/staff")
    boundary = "xyz"
    form = (
        f'--{boundary}\r\ncontent-disposition: form-data; name="person"\r\n\r\nred\r\n'
        f'--{boundary}\r\ncontent-disposition: form-data; name="images"; filename="a.png"\r\n'
        "content-type: image/png\r\n\r\n"
    ).encode()
    form += picture(RED) + f"\r\n--{boundary}--\r\n".encode()
    path = "/v1/collections/staff"
    enrolled = binary(service, f"{path}/faces", form, f"multipart/form-data; boundary={boundary}")
    assert enrolled["images"][0]["faces"][0]["added"] is True
    found = binary(service, f"{path}/search", picture(RED), "image/png", query="limit=1")
    assert found["images"][0]["faces"][0]["matches"][0]["person"] == "red"


def binary(service: Service, path: str, body: bytes, kind: str, query: str = "") -> Json:
    event = http_v2(
        path, base64.b64encode(body).decode(), method="POST", base64_encoded=True, query=query
    )
    event["headers"]["content-type"] = kind
    if query:
        event["queryStringParameters"] = dict([query.split("=")])
    answer: Json = json.loads(app.dispatch(event, FakeContext(), service)["body"])
    return answer


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/collections/staff", "GET, PUT, DELETE, HEAD"),
        ("GET", "/v1/collections/staff/search", "POST"),
        ("PATCH", "/v1/collections/staff/persons/a/b", "GET, DELETE, HEAD"),
    ],
)
def test_a_wrong_method_is_405(service: Service, method: str, path: str, allowed: str) -> None:
    response = app.dispatch(http_v2(path, "", method=method), FakeContext(), service)
    assert response["statusCode"] == 405
    assert response["headers"]["allow"] == allowed


@pytest.mark.parametrize(
    "body",
    [
        {"operation": "search", "images": ["QQ=="]},
        {"operation": "search", "collection": "staff", "images": ["QQ==", "QQ=="]},
        {"operation": "search", "collection": "staff", "images": []},
        {"operation": "enrol", "collection": "staff", "images": ["QQ=="]},
        {"operation": "enrol", "collection": "staff", "person": "a\nb", "images": ["QQ=="]},
        {"operation": "delete_face", "collection": "staff", "face": "../x"},
        {"operation": "list_persons", "collection": "staff", "limit": 0},
        {"operation": "list_persons", "collection": "st/aff"},
        {"operation": "describe_person", "collection": "staff", "person": ""},
        {"operation": "create_collection", "collection": ".."},
        {"operation": "create_collection"},
        {"operation": "search", "collection": "staff", "images": ["QQ=="], "surprise": 1},
    ],
)
def test_what_is_no_such_request_is_refused(service: Service, staff: Any, body: Json) -> None:
    answer = app.dispatch(body, FakeContext(), service)
    assert answer["error"]["code"] == "InvalidRequest", answer


def test_a_function_without_collections_says_so() -> None:
    answer = app.dispatch({"operation": "list_collections"}, FakeContext(), make_service())
    assert answer["error"]["code"] == "CollectionNotFound"
    assert "FACENET_COLLECTIONS" in answer["error"]["message"]


def test_a_deletion_out_of_time_continues_when_it_is_repeated(
    service: Service, staff: Callable[..., Json]
) -> None:
    event = {"operation": "delete_collection", "collection": "staff"}
    answer = app.dispatch(event, FakeContext(remaining_ms=1), service)
    assert (answer["error"]["code"], answer["error"]["retryable"]) == ("Timeout", True)
    assert len(staff("delete_collection")["faces"]) == 2


def test_no_name_is_logged(staff: Callable[..., Json], no_face_in_the_log: list[str]) -> None:
    staff("enrol", person="Somebody Special", images=[text(BLUE)])
    staff("describe_person", person="Somebody Special")
    staff("describe_person", person="Nobody Special")
    assert no_face_in_the_log
    assert not [line for line in no_face_in_the_log if "Special" in line or "staff" in line]


def test_the_queue_answers_about_collections_too(
    service: Service, staff: Callable[..., Json]
) -> None:
    store = FakeStore()
    queue = QueuedRequests(
        service, store, Output("faces", "out", {"id": "tiny"}), Deadline(), Invocation()
    )
    request = {"operation": "search", "collection": "staff", "images": [text(RED)]}
    assert queue.answer("m1", request)
    answer = json.loads(store.results["out/_requests/m1.json"])
    assert answer["images"][0]["faces"][0]["matches"][0]["person"] == "red"
    assert queue.answer("m2", {**request, "collection": "none"})
    refused = json.loads(store.results["out/_requests/m2.json"])
    assert refused["error"]["code"] == "CollectionNotFound"


@pytest.mark.parametrize("operation", ["enrol", "search"])
def test_delete_without_an_upload_is_refused_before_any_work(
    service: Service, staff: Callable[..., Json], operation: str
) -> None:
    more = {"person": "new"} if operation == "enrol" else {}
    refused = staff(operation, images=[text(BLUE)], delete=True, **more)
    assert refused["error"]["details"] == {"field": "delete"}
    assert "new" not in staff("list_persons")["persons"]
