"""CompareFaces and DetectFaces, by boto3."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

Pictures = Callable[[str], bytes]


def code_of(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Code"], error["Message"]


def test_one_person_matches_and_another_does_not(rekognition: Any, pictures: Pictures) -> None:
    source = {"Bytes": pictures("eileen_collins")}
    same = rekognition.compare_faces(
        SourceImage=source, TargetImage={"Bytes": pictures("eileen_collins_second")}
    )
    other = rekognition.compare_faces(
        SourceImage=source, TargetImage={"Bytes": pictures("grace_hopper")}
    )
    assert [match["Similarity"] >= 80 for match in same["FaceMatches"]] == [True]
    assert same["UnmatchedFaces"] == []
    assert 0 < same["SourceImageFace"]["BoundingBox"]["Width"] < 1
    assert other["FaceMatches"] == []
    assert len(other["UnmatchedFaces"]) == 1
    assert "SourceImageOrientationCorrection" not in same


def test_every_face_of_the_target_is_somewhere(rekognition: Any, pictures: Pictures) -> None:
    answer = rekognition.compare_faces(
        SourceImage={"Bytes": pictures("grace_hopper")},
        TargetImage={"Bytes": pictures("two_people")},
        SimilarityThreshold=0,
    )
    likeness = [match["Similarity"] for match in answer["FaceMatches"]]
    assert len(likeness) == 2
    assert likeness == sorted(likeness, reverse=True)
    assert likeness[0] > 80 > likeness[1]
    strict = rekognition.compare_faces(
        SourceImage={"Bytes": pictures("grace_hopper")},
        TargetImage={"Bytes": pictures("two_people")},
        SimilarityThreshold=100,
    )
    assert (len(strict["FaceMatches"]), len(strict["UnmatchedFaces"])) == (0, 2)


@pytest.mark.parametrize("side", ["SourceImage", "TargetImage"])
def test_a_picture_without_a_face_is_a_wrong_parameter_and_named(
    side: str, rekognition: Any, pictures: Pictures
) -> None:
    images = {name: {"Bytes": pictures("grace_hopper")} for name in ("SourceImage", "TargetImage")}
    images[side] = {"Bytes": pictures("no_face")}
    code, message = code_of(rekognition.compare_faces, **images)
    assert code == "InvalidParameterException"
    assert message.startswith(f"{side}: ")


def test_detection_says_where_faces_are_and_no_more_than_is_known(
    rekognition: Any, pictures: Pictures
) -> None:
    answer = rekognition.detect_faces(
        Image={"Bytes": pictures("eileen_collins")}, Attributes=["ALL"]
    )
    [face] = answer["FaceDetails"]
    assert set(face) == {"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"}
    assert "OrientationCorrection" not in answer
    places = {point["Type"]: point for point in face["Landmarks"]}
    assert list(places) == ["eyeLeft", "eyeRight", "nose", "mouthLeft", "mouthRight"]
    assert places["eyeLeft"]["X"] < places["nose"]["X"] < places["eyeRight"]["X"]
    assert places["eyeLeft"]["Y"] < places["nose"]["Y"] < places["mouthLeft"]["Y"]
    box = face["BoundingBox"]
    assert box["Left"] < places["nose"]["X"] < box["Left"] + box["Width"]
    assert face["Confidence"] > 90


def test_faces_come_largest_first_and_none_is_an_empty_list(
    rekognition: Any, pictures: Pictures
) -> None:
    faces = rekognition.detect_faces(Image={"Bytes": pictures("two_people")})["FaceDetails"]
    areas = [face["BoundingBox"]["Width"] * face["BoundingBox"]["Height"] for face in faces]
    assert len(areas) == 2
    assert areas == sorted(areas, reverse=True)
    assert rekognition.detect_faces(Image={"Bytes": pictures("no_face")})["FaceDetails"] == []


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ({"Bytes": b"no picture"}, "InvalidImageFormatException"),
        ({"Bytes": b"\xff\xd8\xff" + bytes(100)}, "InvalidImageFormatException"),
        ({}, "InvalidParameterException"),
        (
            {"Bytes": b"x", "S3Object": {"Bucket": "photos", "Name": "a.jpg"}},
            "InvalidParameterException",
        ),
        ({"S3Object": {"Bucket": "private", "Name": "a.jpg"}}, "InvalidS3ObjectException"),
        ({"S3Object": {"Bucket": "a b c", "Name": "a.jpg"}}, "InvalidParameterException"),
        ({"Bytes": b"\xff\xd8\xff" + bytes(4_700_000)}, "413"),  # the gateway's own answer
    ],
)
def test_an_image_that_cannot_be_used(image: dict[str, Any], code: str, rekognition: Any) -> None:
    with pytest.raises(ClientError) as caught:
        rekognition.detect_faces(Image=image)
    assert caught.value.response["Error"]["Code"] == code


def test_a_quality_filter_refuses_what_none_takes(rekognition: Any, pictures: Pictures) -> None:
    import cv2
    import numpy as np

    pixels = cv2.imdecode(np.frombuffer(pictures("grace_hopper"), np.uint8), cv2.IMREAD_COLOR)
    blurred = cv2.imencode(".png", cv2.GaussianBlur(pixels, (0, 0), 9))[1].tobytes()
    images = {"SourceImage": {"Bytes": blurred}, "TargetImage": {"Bytes": blurred}}
    taken = rekognition.compare_faces(**images, QualityFilter="NONE")
    assert taken["FaceMatches"][0]["Similarity"] == 100
    code, message = code_of(rekognition.compare_faces, **images, QualityFilter="HIGH")
    assert code == "InvalidParameterException"
    assert "blurred" in message
