"""Pictures go to embeddings along the product's path; what is not found is counted, not dropped."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

import model_layer
from align import BoxAlignment, Picture, SimilarityAlignment, align
from tools.evaluate import __main__ as command
from tools.evaluate import embedding
from tools.evaluate.dataset import open_pictures
from tools.evaluate.embedding import EmbedOptions, FaceChoice

NAMES = ("eileen_collins.jpg", "no_face.jpg", "grace_hopper.jpg")
CHOICE = FaceChoice("fast", "central", BoxAlignment(size=40, margin=8))


class SmallModel:
    """Stands in for a network: the chip itself, shrunk and normalised, is the embedding."""

    def __init__(self, alignment: Any) -> None:
        embedding_format = SimpleNamespace(mean=None, dimension=64)
        self.manifest = SimpleNamespace(
            alignment=alignment,
            input=SimpleNamespace(size=alignment.size, standardization="fixed", colour_order="RGB"),
            embedding=embedding_format,
            files={
                "int8": SimpleNamespace(sha256="1" * 64),
                "float32": SimpleNamespace(sha256="0" * 64),
            },
        )
        self.id, self.sha256, self.engine = "small", "0" * 64, None
        self.seen = 0

    def embed_with_norms(
        self, chips: np.ndarray, *, flip: bool, standardization: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        self.seen += len(chips)
        small = [cv2.resize(chip, (8, 8), interpolation=cv2.INTER_AREA)[..., 1] for chip in chips]
        flat = np.stack(small).reshape(len(chips), 64).astype(np.float32)
        flat -= flat.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(flat, axis=1)
        return flat / norms[:, None], norms


@pytest.fixture
def model() -> Any:
    return SmallModel(model_layer.BoxAlignment(size=40, margin=8))


@pytest.fixture
def pictures(root: Path) -> Any:
    return open_pictures(root / "events" / "pictures")


def test_every_picture_gets_a_chip_and_the_missing_face_is_marked(
    pictures: Any, tmp_path: Path
) -> None:
    chips = embedding.make_chips(pictures, NAMES, CHOICE, tmp_path)
    assert chips.pixels.shape == (3, 40, 40, 3)
    assert chips.found.tolist() == [True, False, True]


def test_several_detectors_give_what_one_gives(
    pictures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding.cache, "CHUNK", 1)
    one = embedding.make_chips(pictures, NAMES, CHOICE, tmp_path / "one")
    two = embedding.make_chips(pictures, NAMES, CHOICE, tmp_path / "two", jobs=2)
    assert np.array_equal(one.pixels, two.pixels)


def test_face_in_the_middle_replaces_one_that_is_not_found() -> None:
    picture = Picture.of(np.zeros((250, 250, 3), np.uint8))
    face = embedding.central_face(picture)
    left, top, right, bottom = face.box
    assert (left + right) / 2 == pytest.approx(125)
    assert 0 < top < bottom < 250
    assert face.score == 0
    for alignment in (BoxAlignment(160, 32), SimilarityAlignment(112)):
        assert align(picture, face, alignment).shape == (alignment.size, alignment.size, 3)


def test_margin_can_be_replaced_for_a_box_and_not_for_landmarks(model: Any) -> None:
    assert embedding.alignment_of(model, 44) == BoxAlignment(size=40, margin=44)
    assert embedding.alignment_of(model) == BoxAlignment(size=40, margin=8)
    by_landmarks: Any = SmallModel(model_layer.SimilarityAlignment(size=112))
    assert embedding.alignment_of(by_landmarks) == SimilarityAlignment(size=112)
    with pytest.raises(SystemExit, match="no --margin"):
        embedding.alignment_of(by_landmarks, 44)


def test_embeddings_are_kept_per_option(pictures: Any, tmp_path: Path, model: Any) -> None:
    chips = embedding.make_chips(pictures, NAMES, CHOICE, tmp_path)
    first = embedding.make_embeddings(model, chips, EmbedOptions(), tmp_path)
    again = embedding.make_embeddings(model, chips, EmbedOptions(), tmp_path)
    assert np.array_equal(first, again)
    assert model.seen == 3
    embedding.make_embeddings(model, chips, EmbedOptions(flip=True), tmp_path)
    assert model.seen == 6


@pytest.mark.parametrize("change", [{"standardization": "prewhiten"}, {"colour_order": "BGR"}])
def test_embeddings_are_made_again_when_the_manifest_feeds_the_network_differently(
    pictures: Any, tmp_path: Path, model: Any, change: dict[str, str]
) -> None:
    chips = embedding.make_chips(pictures, NAMES, CHOICE, tmp_path)
    embedding.make_embeddings(model, chips, EmbedOptions(), tmp_path)
    vars(model.manifest.input).update(change)
    embedding.make_embeddings(model, chips, EmbedOptions(), tmp_path)
    assert model.seen == 6


def test_command_measures_writes_and_reports(
    root: Path, tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    # Given two folds of pairs whose second views are of the same person
    eileen, grace = "eileen_collins", "grace_hopper"
    rows = [
        f"{fold},{a}.jpg,{b}.jpg,{same}"
        for fold in (1, 2)
        for a, b, same in (
            (eileen, f"{eileen}_second", 1),
            (grace, f"{grace}_second", 1),
            (eileen, grace, 0),
            (f"{eileen}_second", f"{grace}_second", 0),
        )
    ]
    (tmp_path / "pairs.csv").write_text("\n".join(["fold,image_a,image_b,same", *rows]))
    monkeypatch.setattr(command.model_layer, "load", lambda *_, **__: model)
    out = tmp_path / "out"
    # When measured
    data = ["--pairs", str(tmp_path / "pairs.csv"), "--images", str(root / "events" / "pictures")]
    command.main(["--model", "small", "--subtract-mean", "--out", str(out), *data])
    # Then every pair is told apart, and the report and its pictures are there
    printed = capsys.readouterr().out
    assert "**Accuracy 1.0000 +- 0.0000** on the labelled pairs of 2 folds" in printed
    # And it says whose pairs, and which weights ran
    assert "# small on pairs\n" in printed
    assert "float32, sha256 0000" in printed
    assert {"report.json", "report.md", "roc.png", "scores.png"} <= {
        path.name for path in out.iterdir()
    }
    # And the mean that a manifest needs for these figures
    mean = json.loads((out / "report.json").read_text())["manifest"]["embedding"]["mean"]
    assert len(mean) == 64


def test_without_a_name_the_bundled_model_is_measured() -> None:
    assert command.parse_arguments([]).model in model_layer.bundled_models()


def test_the_shared_folder_is_where_the_environment_says(root: Path, tmp_path: Path) -> None:
    show = (
        "from tools.check_model import SHARED; from tools.evaluate.__main__ import LFW; "
        "print(SHARED, LFW)"
    )
    done = subprocess.run(
        [sys.executable, "-c", show],
        cwd=root,
        env={**os.environ, "FACENET_SHARED": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(tmp_path), str(tmp_path / "faces" / "lfw")]


@pytest.mark.parametrize(
    ("option", "value"), [("--jobs", "0"), ("--threads", "0"), ("--margin", "-1")]
)
def test_numbers_too_small_are_refused_with_a_message(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.parse_arguments([f"{option}={value}"])
    assert f"{option}: '{value}' is not a whole number" in capsys.readouterr().err


def test_a_mean_is_not_subtracted_twice(
    root: Path, tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.manifest.embedding.mean = (0.0,) * 64
    monkeypatch.setattr(command.model_layer, "load", lambda *_, **__: model)
    pairs = tmp_path / "pairs.csv"
    rows = ("1,a,b,1", "1,a,c,0", "2,a,b,1", "2,a,c,0")
    pairs.write_text("\n".join(["fold,image_a,image_b,same", *rows]))
    with pytest.raises(SystemExit, match="no --subtract-mean on top"):
        command.main(["--subtract-mean", "--pairs", str(pairs), "--images", str(root)])


def test_absent_data_is_said_with_an_example(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"absent\.csv does not exist.*\n.*tools\.evaluate"):
        command.main(["--model", "any", "--pairs", str(tmp_path / "absent.csv")])


def test_a_picture_that_cannot_be_read_is_named(root: Path, tmp_path: Path) -> None:
    whole = (root / "events" / "pictures" / NAMES[0]).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[:2000])
    with pytest.raises(SystemExit, match=r"cut\.jpg: .*cut short"):
        embedding.make_chips(open_pictures(tmp_path), ["cut.jpg"], CHOICE, tmp_path / "cache")
