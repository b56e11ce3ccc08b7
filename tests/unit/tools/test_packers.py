"""The two UAI packers: same options, same file; and what they refuse."""

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tools import gen_example_json, gen_img_json


@pytest.fixture
def pictures(root: Path) -> Path:
    return root / "events" / "pictures"


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def packed() -> dict[str, Any]:
    return dict(json.loads(Path("test.json").read_text()))


def decoded(image: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(image, validate=True), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def test_aligned_faces_are_packed_as_160_pixel_pngs_into_test_json(pictures: Path) -> None:
    names = [str(pictures / f"{name}_face.jpg") for name in ("eileen_collins", "grace_hopper")]
    gen_example_json.main(["--image_files", *names])
    request = packed()
    assert request.keys() == {"cnt", "images"}
    assert request["cnt"] == len(request["images"]) == 2
    for image, name in zip(request["images"], names, strict=True):
        assert base64.b64decode(image).startswith(b"\x89PNG")
        assert decoded(image).shape == (160, 160, 3)
        # Already 160 pixels: only the decoder's rounding may differ, and colours keep their order.
        assert np.abs(decoded(image).astype(int) - cv2.imread(name)).mean() < 2


def test_other_sizes_and_another_file_can_be_asked_for(pictures: Path) -> None:
    picture = str(pictures / "no_face.jpg")
    gen_example_json.main(["--image_files", picture, "--image_size", "96", "--out", "other.json"])
    request = json.loads(Path("other.json").read_text())
    assert decoded(request["images"][0]).shape == (96, 96, 3)


def test_face_is_found_and_cropped_with_margin(pictures: Path) -> None:
    # Given a face crop that was cut with the UAI margin, and the picture that it is from
    gen_img_json.main(["--image_files", str(pictures / "eileen_collins.jpg")])
    expected = cv2.imread(str(pictures / "eileen_collins_face.jpg"))
    # Then the tool cuts the same, within a pixel or two
    crop = decoded(packed()["images"][0])
    assert crop.shape == (160, 160, 3)
    assert np.corrcoef(crop.ravel(), expected.ravel())[0, 1] > 0.97


def test_picture_without_a_face_is_named_and_nothing_is_written(pictures: Path) -> None:
    names = [str(pictures / f"{name}.jpg") for name in ("eileen_collins", "no_face")]
    with pytest.raises(SystemExit, match=r"no face found in \S*no_face\.jpg") as failure:
        gen_img_json.main(["--image_files", *names])
    assert "eileen_collins" not in str(failure.value)
    assert not Path("test.json").exists()


def test_largest_of_several_faces_is_taken(pictures: Path) -> None:
    gen_img_json.main(["--image_files", str(pictures / "two_people.jpg")])
    expected = cv2.imread(str(pictures / "grace_hopper_face.jpg")).astype(float)
    other = cv2.imread(str(pictures / "eileen_collins_face.jpg")).astype(float)
    crop = decoded(packed()["images"][0]).ravel()
    assert np.corrcoef(crop, expected.ravel())[0, 1] > np.corrcoef(crop, other.ravel())[0, 1] + 0.2


def test_raw_pictures_are_packed_byte_for_byte(pictures: Path) -> None:
    names = [pictures / "eileen_collins.jpg", pictures / "no_face.jpg"]
    gen_img_json.main(["--raw", "--image_files", *map(str, names)])
    assert [base64.b64decode(image) for image in packed()["images"]] == [
        path.read_bytes() for path in names
    ]


@pytest.mark.parametrize("options", [[], ["--raw"]])
def test_file_that_is_no_picture_is_named(options: list[str]) -> None:
    Path("letter.txt").write_text("Dear picture")
    with pytest.raises(SystemExit, match=r"letter\.txt"):
        gen_img_json.main([*options, "--image_files", "letter.txt"])


def test_missing_file_is_named() -> None:
    with pytest.raises(SystemExit, match=r"absent\.jpg: No such file"):
        gen_example_json.main(["--image_files", "absent.jpg"])


def test_option_of_the_uai_tool_that_means_nothing_here_is_accepted(pictures: Path) -> None:
    picture = str(pictures / "eileen_collins.jpg")
    arguments = ["--gpu_memory_fraction", "0.5", "--margin", "44", "--image_size", "160"]
    gen_img_json.main(["--image_files", picture, *arguments])
    assert packed()["cnt"] == 1


@pytest.mark.parametrize(
    "options", [["--image_size", "0"], ["--image_size", "-5"], ["--margin", "-500"]]
)
def test_sizes_that_hold_no_face_are_refused(
    options: list[str], pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        gen_img_json.main(["--image_files", str(pictures / "eileen_collins.jpg"), *options])
    assert "is not a whole number of at least" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_named(pictures: Path) -> None:
    crop = str(pictures / "eileen_collins_face.jpg")
    with pytest.raises(SystemExit, match=r"absent/x\.json: No such file"):
        gen_example_json.main(["--image_files", crop, "--out", "absent/x.json"])
