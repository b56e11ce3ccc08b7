"""Collections, faces and users: what AWS's public examples do, and what they promise."""

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from handler.faces.service import Service
from handler.invocation import Invocation
from handler.rekognition import protocol
from handler.search import names
from handler.search.catalog import open_collections
from handler.search.types import Face
from tests.unit.handler.service_fakes import FakeContext

Pictures = Callable[[str], bytes]
NOBODY = "00000000-0000-8000-8000-000000000000"


@pytest.fixture
def staff(rekognition: Any) -> Iterator[str]:
    """An empty collection, which goes again."""
    name = f"staff-{uuid.uuid4().hex[:8]}"
    rekognition.create_collection(CollectionId=name)
    yield name
    rekognition.delete_collection(CollectionId=name)


@pytest.fixture
def index(rekognition: Any, staff: str, pictures: Pictures) -> Callable[..., str]:
    """`index("grace_hopper")` indexes a picture with one face; gives the face's id."""

    def run(name: str, **options: Any) -> str:
        answer = rekognition.index_faces(
            CollectionId=staff,
            Image={"Bytes": pictures(name)},
            ExternalImageId=f"{name}.jpg",
            **options,
        )
        [record] = answer["FaceRecords"]
        face_id: str = record["Face"]["FaceId"]
        return face_id

    return run


def code_of(call: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    code: str = caught.value.response["Error"]["Code"]
    return code


def test_a_collection_is_made_described_listed_and_deleted(rekognition: Any) -> None:
    made = rekognition.create_collection(CollectionId="alone", Tags={"team": "doors"})
    assert made["StatusCode"] == 200
    assert made["CollectionArn"].endswith("collection/alone")
    assert (
        code_of(rekognition.create_collection, CollectionId="alone")
        == "ResourceAlreadyExistsException"
    )
    described = rekognition.describe_collection(CollectionId="alone")
    assert (described["FaceCount"], described["UserCount"]) == (0, 0)
    assert described["FaceModelVersion"] == made["FaceModelVersion"]
    assert abs(described["CreationTimestamp"] - datetime.now(UTC)) < timedelta(minutes=5)
    assert "alone" in rekognition.list_collections()["CollectionIds"]
    assert rekognition.delete_collection(CollectionId="alone")["StatusCode"] == 200
    assert "alone" not in rekognition.list_collections()["CollectionIds"]
    for call in (rekognition.describe_collection, rekognition.delete_collection):
        assert code_of(call, CollectionId="alone") == "ResourceNotFoundException"


def test_collections_come_in_pages(rekognition: Any) -> None:
    names = [f"page-{number}" for number in range(5)]
    for name in names:
        rekognition.create_collection(CollectionId=name)
    pages = list(
        rekognition.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 2})
    )
    assert all(len(page["CollectionIds"]) <= 2 for page in pages)
    listed = [name for page in pages for name in page["CollectionIds"]]
    assert [name for name in listed if name.startswith("page-")] == names
    for name in names:
        rekognition.delete_collection(CollectionId=name)


def test_a_face_is_indexed_once_however_often_it_is_sent(
    rekognition: Any, staff: str, pictures: Pictures
) -> None:
    def send(external: str) -> dict[str, Any]:
        answer = rekognition.index_faces(
            CollectionId=staff,
            Image={"Bytes": pictures("grace_hopper")},
            ExternalImageId=external,
            DetectionAttributes=["ALL"],
        )
        [record] = answer["FaceRecords"]
        assert record["Face"]["BoundingBox"] == record["FaceDetail"]["BoundingBox"]
        face: dict[str, Any] = record["Face"]
        return face

    first, again, other = send("grace.jpg"), send("grace.jpg"), send("hopper.jpg")
    assert first == again
    assert first["ExternalImageId"] == "grace.jpg"
    assert uuid.UUID(first["FaceId"]).version == uuid.UUID(first["ImageId"]).version == 8
    assert other["FaceId"] != first["FaceId"]
    assert rekognition.describe_collection(CollectionId=staff)["FaceCount"] == 2
    listed = rekognition.list_faces(CollectionId=staff)["Faces"]
    assert sorted(face["FaceId"] for face in listed) == sorted([first["FaceId"], other["FaceId"]])
    assert first in listed


def test_the_largest_faces_are_indexed_and_the_others_have_reasons(
    rekognition: Any, staff: str, pictures: Pictures
) -> None:
    answer = rekognition.index_faces(
        CollectionId=staff, Image={"Bytes": pictures("two_people")}, MaxFaces=1
    )
    [record], [other] = answer["FaceRecords"], answer["UnindexedFaces"]
    assert other["Reasons"] == ["EXCEEDS_MAX_FACES"]
    assert area(record["FaceDetail"]) >= area(other["FaceDetail"])
    both = rekognition.index_faces(CollectionId=staff, Image={"Bytes": pictures("two_people")})
    assert both["FaceRecords"][0]["Face"] == record["Face"]
    assert (len(both["FaceRecords"]), both["UnindexedFaces"]) == (2, [])


def area(detail: dict[str, Any]) -> float:
    width: float = detail["BoundingBox"]["Width"]
    height: float = detail["BoundingBox"]["Height"]
    return width * height


def test_a_blurred_face_is_not_indexed_where_high_quality_is_asked_for(
    rekognition: Any, staff: str, pictures: Pictures
) -> None:
    import cv2
    import numpy as np

    pixels = cv2.imdecode(np.frombuffer(pictures("eileen_collins"), np.uint8), cv2.IMREAD_COLOR)
    blurred = cv2.imencode(".png", cv2.GaussianBlur(pixels, (0, 0), 4))[1].tobytes()
    answer = rekognition.index_faces(
        CollectionId=staff, Image={"Bytes": blurred}, QualityFilter="HIGH"
    )
    assert answer["FaceRecords"] == []
    [face] = answer["UnindexedFaces"]
    assert "LOW_SHARPNESS" in face["Reasons"]


def test_a_picture_without_a_face_indexes_none(
    rekognition: Any, staff: str, pictures: Pictures
) -> None:
    answer = rekognition.index_faces(CollectionId=staff, Image={"Bytes": pictures("no_face")})
    assert (answer["FaceRecords"], answer["UnindexedFaces"]) == ([], [])


def test_a_person_is_found_in_a_picture_and_by_face_id(
    rekognition: Any, staff: str, index: Callable[..., str], pictures: Pictures
) -> None:
    grace, second, eileen = (
        index(name) for name in ("grace_hopper", "grace_hopper_second", "eileen_collins")
    )
    answer = rekognition.search_faces_by_image(
        CollectionId=staff, Image={"Bytes": pictures("grace_hopper")}, MaxFaces=5
    )
    found = [match["Face"]["FaceId"] for match in answer["FaceMatches"]]
    assert found == [grace, second]
    assert answer["FaceMatches"][0]["Similarity"] == 100
    assert answer["FaceMatches"][0]["Face"]["ExternalImageId"] == "grace_hopper.jpg"
    assert answer["SearchedFaceConfidence"] > 90
    by_id = rekognition.search_faces(CollectionId=staff, FaceId=grace)
    assert by_id["SearchedFaceId"] == grace
    assert [match["Face"]["FaceId"] for match in by_id["FaceMatches"]] == [second]
    everything = rekognition.search_faces(CollectionId=staff, FaceId=grace, FaceMatchThreshold=0)
    likeness = [match["Similarity"] for match in everything["FaceMatches"]]
    assert [match["Face"]["FaceId"] for match in everything["FaceMatches"]] == [second, eileen]
    assert likeness == sorted(likeness, reverse=True)
    one = rekognition.search_faces(
        CollectionId=staff, FaceId=grace, FaceMatchThreshold=0, MaxFaces=1
    )
    assert [match["Face"]["FaceId"] for match in one["FaceMatches"]] == [second]


def test_a_search_without_a_face_is_a_wrong_parameter(
    rekognition: Any, staff: str, pictures: Pictures
) -> None:
    for call in (rekognition.search_faces_by_image, rekognition.search_users_by_image):
        code = code_of(call, CollectionId=staff, Image={"Bytes": pictures("no_face")})
        assert code == "InvalidParameterException"
    code = code_of(rekognition.search_faces, CollectionId=staff, FaceId=NOBODY)
    assert code == "InvalidParameterException"


def test_deleted_faces_are_found_no_more_and_absent_ones_are_named(
    rekognition: Any, staff: str, index: Callable[..., str], pictures: Pictures
) -> None:
    grace, eileen = index("grace_hopper"), index("eileen_collins")
    answer = rekognition.delete_faces(CollectionId=staff, FaceIds=[grace, NOBODY])
    assert answer["DeletedFaces"] == [grace]
    assert answer["UnsuccessfulFaceDeletions"] == [
        {"FaceId": NOBODY, "Reasons": ["FACE_NOT_FOUND"]}
    ]
    assert [face["FaceId"] for face in rekognition.list_faces(CollectionId=staff)["Faces"]] == [
        eileen
    ]
    found = rekognition.search_faces_by_image(
        CollectionId=staff, Image={"Bytes": pictures("grace_hopper")}
    )
    assert found["FaceMatches"] == []
    nothing = rekognition.delete_faces(CollectionId=staff, FaceIds=[grace])
    assert nothing.get("DeletedFaces", []) == []


def test_faces_come_in_pages_and_by_id(
    rekognition: Any, staff: str, index: Callable[..., str]
) -> None:
    names = ("grace_hopper", "grace_hopper_second", "eileen_collins", "eileen_collins_second")
    ids = [index(name) for name in names]
    pages = list(
        rekognition.get_paginator("list_faces").paginate(
            CollectionId=staff, PaginationConfig={"PageSize": 1}
        )
    )
    listed = [face["FaceId"] for page in pages for face in page["Faces"]]
    assert sorted(listed) == sorted(ids)
    assert [len(page["Faces"]) for page in pages] == [1, 1, 1, 1]
    some = rekognition.list_faces(CollectionId=staff, FaceIds=[ids[2], NOBODY])["Faces"]
    assert [face["FaceId"] for face in some] == [ids[2]]
    # As many as there may be, though hardly any is there.
    many = [f"{number:08x}-0000-8000-8000-000000000000" for number in range(4094)]
    some = rekognition.list_faces(CollectionId=staff, FaceIds=[*many, *ids[:2]])["Faces"]
    assert sorted(face["FaceId"] for face in some) == sorted(ids[:2])


def test_users_have_faces_and_are_found(
    rekognition: Any, staff: str, index: Callable[..., str], pictures: Pictures
) -> None:
    grace, second, eileen = (
        index(name) for name in ("grace_hopper", "grace_hopper_second", "eileen_collins")
    )
    for user in ("grace", "eileen", "nobody"):
        rekognition.create_user(CollectionId=staff, UserId=user)
    assert {user["UserStatus"] for user in users(rekognition, staff)} == {"CREATED"}
    answer = rekognition.associate_faces(
        CollectionId=staff, UserId="grace", FaceIds=[grace, second]
    )
    assert [face["FaceId"] for face in answer["AssociatedFaces"]] == [grace, second]
    assert (answer["UnsuccessfulFaceAssociations"], answer["UserStatus"]) == ([], "ACTIVE")
    rekognition.associate_faces(CollectionId=staff, UserId="eileen", FaceIds=[eileen])

    found = rekognition.search_users_by_image(
        CollectionId=staff, Image={"Bytes": pictures("grace_hopper")}
    )
    assert [match["User"]["UserId"] for match in found["UserMatches"]] == ["grace"]
    assert found["SearchedFace"]["FaceDetail"]["Confidence"] > 90
    assert found["UnsearchedFaces"] == []
    group = rekognition.search_users_by_image(
        CollectionId=staff, Image={"Bytes": pictures("two_people")}, UserMatchThreshold=0
    )
    assert [face["Reasons"] for face in group["UnsearchedFaces"]] == [["FACE_NOT_LARGEST"]]
    by_face = rekognition.search_users(CollectionId=staff, FaceId=grace)
    assert [match["User"]["UserId"] for match in by_face["UserMatches"]] == ["grace"]
    by_user = rekognition.search_users(CollectionId=staff, UserId="grace", UserMatchThreshold=0)
    assert [match["User"]["UserId"] for match in by_user["UserMatches"]] == ["eileen"]
    assert by_user["SearchedUser"] == {"UserId": "grace"}
    lonely = rekognition.search_users(CollectionId=staff, UserId="nobody")
    assert lonely["UserMatches"] == []


def users(rekognition: Any, collection: str) -> list[dict[str, Any]]:
    pages = rekognition.get_paginator("list_users").paginate(
        CollectionId=collection, PaginationConfig={"PageSize": 2}
    )
    return [user for page in pages for user in page["Users"]]


def test_a_face_keeps_its_id_wherever_it_goes(
    rekognition: Any, staff: str, index: Callable[..., str], pictures: Pictures
) -> None:
    grace = index("grace_hopper")
    rekognition.create_user(CollectionId=staff, UserId="grace")
    rekognition.associate_faces(CollectionId=staff, UserId="grace", FaceIds=[grace])
    assert index("grace_hopper") == grace
    [face] = rekognition.list_faces(CollectionId=staff)["Faces"]
    assert (face["FaceId"], face["UserId"]) == (grace, "grace")
    [same] = rekognition.list_faces(CollectionId=staff, UserId="grace")["Faces"]
    assert same == face
    [kept] = rekognition.delete_faces(CollectionId=staff, FaceIds=[grace])[
        "UnsuccessfulFaceDeletions"
    ]
    assert kept == {
        "FaceId": grace,
        "UserId": "grace",
        "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"],
    }
    answer = rekognition.disassociate_faces(CollectionId=staff, UserId="grace", FaceIds=[grace])
    assert answer["DisassociatedFaces"] == [{"FaceId": grace}]
    assert answer["UserStatus"] == "CREATED"
    [face] = rekognition.list_faces(CollectionId=staff)["Faces"]
    assert face["FaceId"] == grace
    assert "UserId" not in face
    assert rekognition.delete_faces(CollectionId=staff, FaceIds=[grace])["DeletedFaces"] == [grace]
    assert rekognition.describe_collection(CollectionId=staff)["FaceCount"] == 0


def test_faces_that_cannot_be_associated_are_named_with_the_reason(
    rekognition: Any, staff: str, index: Callable[..., str]
) -> None:
    grace, eileen, second = (
        index(name) for name in ("grace_hopper", "eileen_collins", "grace_hopper_second")
    )
    for user in ("grace", "eileen"):
        rekognition.create_user(CollectionId=staff, UserId=user)
    rekognition.associate_faces(CollectionId=staff, UserId="eileen", FaceIds=[eileen])
    answer = rekognition.associate_faces(
        CollectionId=staff, UserId="grace", FaceIds=[grace, eileen, NOBODY]
    )
    assert answer["AssociatedFaces"] == [{"FaceId": grace}]
    assert answer["UnsuccessfulFaceAssociations"] == [
        {"FaceId": eileen, "UserId": "eileen", "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]},
        {"FaceId": NOBODY, "Reasons": ["FACE_NOT_FOUND"]},
    ]
    answer = rekognition.associate_faces(CollectionId=staff, UserId="eileen", FaceIds=[second])
    [refused] = answer["UnsuccessfulFaceAssociations"]
    assert refused["Reasons"] == ["LOW_MATCH_CONFIDENCE"]
    assert refused["Confidence"] < 75
    answer = rekognition.associate_faces(
        CollectionId=staff, UserId="eileen", FaceIds=[second], UserMatchThreshold=0
    )
    assert answer["AssociatedFaces"] == [{"FaceId": second}]
    answer = rekognition.disassociate_faces(
        CollectionId=staff, UserId="grace", FaceIds=[second, NOBODY]
    )
    assert answer["UnsuccessfulFaceDisassociations"] == [
        {"FaceId": second, "UserId": "eileen", "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]},
        {"FaceId": NOBODY, "Reasons": ["FACE_NOT_FOUND"]},
    ]


def test_a_user_is_made_once_and_leaves_its_faces_behind(
    rekognition: Any, staff: str, index: Callable[..., str]
) -> None:
    arguments = {"CollectionId": staff, "UserId": "grace"}
    rekognition.create_user(**arguments, ClientRequestToken="one")
    rekognition.create_user(**arguments, ClientRequestToken="one")  # a repetition by the SDK
    assert (
        code_of(rekognition.create_user, **arguments, ClientRequestToken="two")
        == "ConflictException"
    )
    grace = index("grace_hopper")
    rekognition.associate_faces(**arguments, FaceIds=[grace])
    for _ in range(2):
        rekognition.delete_user(**arguments, ClientRequestToken="three")  # the SDK repeats it
    assert code_of(rekognition.delete_user, **arguments) == "ResourceNotFoundException"
    [face] = rekognition.list_faces(CollectionId=staff)["Faces"]
    assert face["FaceId"] == grace
    assert "UserId" not in face
    assert users(rekognition, staff) == []
    for call in (rekognition.associate_faces, rekognition.disassociate_faces):
        assert code_of(call, **arguments, FaceIds=[grace]) == "ResourceNotFoundException"
    assert code_of(rekognition.search_users, **arguments) == "ResourceNotFoundException"


def test_a_repeated_deletion_spares_a_user_made_since(rekognition: Any, staff: str) -> None:
    arguments = {"CollectionId": staff, "UserId": "grace"}
    rekognition.create_user(**arguments)
    rekognition.delete_user(**arguments, ClientRequestToken="one")
    rekognition.create_user(**arguments)
    assert users(rekognition, staff) == [{"UserId": "grace", "UserStatus": "CREATED"}]
    rekognition.delete_user(**arguments, ClientRequestToken="one")
    assert [user["UserId"] for user in users(rekognition, staff)] == ["grace"]
    rekognition.delete_user(**arguments, ClientRequestToken="two")
    assert users(rekognition, staff) == []


def test_users_come_in_pages(rekognition: Any, staff: str) -> None:
    names = sorted(f"user:{number}" for number in range(5))
    for name in names:
        rekognition.create_user(CollectionId=staff, UserId=name)
    assert sorted(user["UserId"] for user in users(rekognition, staff)) == names
    assert rekognition.describe_collection(CollectionId=staff)["UserCount"] == 5


def test_a_token_of_another_kind_is_refused(rekognition: Any, staff: str) -> None:
    for token in ("x", "..", "../../etc/passwd", "A" * 255, "é"):
        for call, more in (
            (rekognition.list_collections, {}),
            (rekognition.list_faces, {"CollectionId": staff}),
            (rekognition.list_users, {"CollectionId": staff}),
        ):
            assert code_of(call, NextToken=token, **more) == "InvalidPaginationTokenException"


def test_nothing_of_a_deleted_collection_is_left(
    rekognition: Any, real_service: Any, pictures: Pictures
) -> None:
    name = "gone"
    rekognition.create_collection(CollectionId=name)
    answer = rekognition.index_faces(
        CollectionId=name, Image={"Bytes": pictures("grace_hopper")}, ExternalImageId="g"
    )
    grace = answer["FaceRecords"][0]["Face"]["FaceId"]
    rekognition.create_user(CollectionId=name, UserId="grace")
    rekognition.associate_faces(CollectionId=name, UserId="grace", FaceIds=[grace])
    rekognition.delete_collection(CollectionId=name)
    assert list(Path(real_service.settings.collections).rglob(f"*{name}*")) == []


def test_huge_pages_are_cut_and_all_matches_are_answered(
    rekognition: Any, staff: str, real_service: Service
) -> None:
    """Faces enrolled by our own API: Rekognition's calls know their ids, and no more of them."""
    collection = open_collections(real_service.settings).open(staff)
    contract, dimension = collection.record.contract, collection.record.dimension
    made = np.random.default_rng(0).normal(size=(1200, dimension)).astype(np.float32)
    faces = []
    for number, values in enumerate(made):
        group = names.person_group(f"person {number}" if number % 2 else f"user-{number}")
        key = names.face_key(group, names.face_id(group, str(number), contract))
        person = names.person_of_group(group)
        faces.append(Face(key, values / np.linalg.norm(values), person))
    collection.add(faces)
    first = rekognition.list_faces(CollectionId=staff, MaxResults=4096)
    second = rekognition.list_faces(
        CollectionId=staff, MaxResults=4096, NextToken=first["NextToken"]
    )
    assert (len(first["Faces"]), len(second["Faces"])) == (1000, 200)
    assert "NextToken" not in second
    listed = [face["FaceId"] for page in (first, second) for face in page["Faces"]]
    assert len(set(listed)) == 1200
    assert sum("UserId" in face for face in [*first["Faces"], *second["Faces"]]) == 600
    found = rekognition.search_faces(
        CollectionId=staff, FaceId=listed[0], MaxFaces=4096, FaceMatchThreshold=0
    )
    assert {match["Face"]["FaceId"] for match in found["FaceMatches"]} == set(listed[1:])
    people = rekognition.search_users(
        CollectionId=staff, FaceId=listed[0], MaxUsers=500, UserMatchThreshold=0
    )
    assert len(people["UserMatches"]) == 500
    kept = rekognition.delete_faces(CollectionId=staff, FaceIds=listed)
    assert (len(kept["DeletedFaces"]), len(kept["UnsuccessfulFaceDeletions"])) == (600, 600)


def test_work_that_time_does_not_reach_is_repeated_by_the_client(
    rekognition: Any, staff: str, index: Callable[..., str], real_service: Service
) -> None:
    grace = index("grace_hopper")
    rekognition.create_user(CollectionId=staff, UserId="grace")
    body = {"CollectionId": staff, "UserId": "grace", "FaceIds": [grace]}
    reply = protocol.answer(
        "RekognitionService.AssociateFaces",
        lambda: json.dumps(body).encode(),
        lambda _: None,
        real_service,
        Invocation(FakeContext(100)),
    )
    assert json.loads(reply.body)["__type"] == "ThrottlingException"
    assert rekognition.list_faces(CollectionId=staff, UserId="grace")["Faces"] == []
    answer = rekognition.associate_faces(**body)
    assert answer["AssociatedFaces"] == [{"FaceId": grace}]
