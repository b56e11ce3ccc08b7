"""A program for Amazon Rekognition that makes every call that is served, and what it found.

Written anew after AWS's public examples. It runs against the local server, the container and the
deployed stack.
"""

from pathlib import Path
from typing import Any

PICTURES = Path(__file__).resolve().parents[1] / "events" / "pictures"
PEOPLE = ("grace_hopper", "grace_hopper_second", "eileen_collins")
EXPECTED: dict[str, Any] = {
    "CreateCollection": 200,
    "IndexFaces": [1, 1, 1],
    "ListCollections": True,
    "DescribeCollection": 3,
    "ListFaces": sorted(PEOPLE),
    "DetectFaces": 2,
    "CompareFaces": (1, 1),
    "SearchFaces": ["grace_hopper_second"],
    "SearchFacesByImage": ["grace_hopper", "grace_hopper_second"],
    "CreateUser": 200,
    "AssociateFaces": 2,
    "ListUsers": [("grace", "ACTIVE")],
    "SearchUsers": ["grace"],
    "SearchUsersByImage": ["grace"],
    "DisassociateFaces": 1,
    "DeleteUser": 200,
    "DeleteFaces": 3,
    "DeleteCollection": 200,
}


def image(name: str) -> dict[str, bytes]:
    return {"Bytes": (PICTURES / f"{name}.jpg").read_bytes()}


def run(client: Any, collection: str) -> dict[str, Any]:
    """What each operation answered, in the words of EXPECTED; `collection` is gone afterwards."""
    of = {"CollectionId": collection}
    user = {**of, "UserId": "grace"}
    found: dict[str, Any] = {"CreateCollection": client.create_collection(**of)["StatusCode"]}
    records = [
        client.index_faces(**of, Image=image(name), ExternalImageId=name)["FaceRecords"]
        for name in PEOPLE
    ]
    faces = [each[0]["Face"]["FaceId"] for each in records]
    found["IndexFaces"] = [len(each) for each in records]
    found["ListCollections"] = collection in client.list_collections()["CollectionIds"]
    found["DescribeCollection"] = client.describe_collection(**of)["FaceCount"]
    found["ListFaces"] = names(client.list_faces(**of)["Faces"])
    found["DetectFaces"] = len(client.detect_faces(Image=image("two_people"))["FaceDetails"])
    compared = client.compare_faces(
        SourceImage=image("grace_hopper"), TargetImage=image("two_people")
    )
    found["CompareFaces"] = (len(compared["FaceMatches"]), len(compared["UnmatchedFaces"]))
    similar = client.search_faces(**of, FaceId=faces[0])["FaceMatches"]
    found["SearchFaces"] = names(match["Face"] for match in similar)
    searched = client.search_faces_by_image(**of, Image=image("grace_hopper"))["FaceMatches"]
    found["SearchFacesByImage"] = names(match["Face"] for match in searched)
    found["CreateUser"] = status(client.create_user(**user))
    associated = client.associate_faces(**user, FaceIds=faces[:2])
    found["AssociateFaces"] = len(associated["AssociatedFaces"])
    users = client.list_users(**of)["Users"]
    found["ListUsers"] = [(each["UserId"], each["UserStatus"]) for each in users]
    found["SearchUsers"] = users_of(client.search_users(**of, FaceId=faces[0]))
    found["SearchUsersByImage"] = users_of(
        client.search_users_by_image(**of, Image=image("two_people"))
    )
    released = client.disassociate_faces(**user, FaceIds=faces[1:2])
    found["DisassociateFaces"] = len(released["DisassociatedFaces"])
    found["DeleteUser"] = status(client.delete_user(**user))
    found["DeleteFaces"] = len(client.delete_faces(**of, FaceIds=faces)["DeletedFaces"])
    found["DeleteCollection"] = client.delete_collection(**of)["StatusCode"]
    assert collection not in client.list_collections()["CollectionIds"]
    return found


def names(faces: Any) -> list[str]:
    return sorted(face["ExternalImageId"] for face in faces)


def users_of(answer: dict[str, Any]) -> list[str]:
    return [match["User"]["UserId"] for match in answer["UserMatches"]]


def status(answer: dict[str, Any]) -> int:
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])
