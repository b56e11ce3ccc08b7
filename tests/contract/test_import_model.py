"""Every form of FaceNet that people hold becomes a folder that serves the same embeddings."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import model_layer
from model_layer import load
from tests.contract.facenet_graphs import (
    TINY_SIZE,
    tiny_arrays,
    tiny_network,
    training_graph,
    write_functions,
)
from tools.import_model.arguments import parse_arguments
from tools.import_model.calibrate import calibrate
from tools.import_model.check_parity import Chips, Parity, deviating
from tools.import_model.cli import main
from tools.import_model.describe import describe
from tools.import_model.errors import ImportFailed
from tools.import_model.freeze import freeze
from tools.import_model.read_graph import SourceGraph, TensorNames, _find_checkpoint
from tools.import_model.write_manifest import provenance, public_name

# TensorFlow's own deprecation notes about its TensorFlow 1 half, and SwigPy's about itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:tensorflow.*"),
]

FORMS = ("frozen", "checkpoint", "saved-model", "functions", "phased-functions")


def tiny_chips(count: int = 4) -> np.ndarray:
    return np.random.default_rng(5).integers(
        0, 256, (count, TINY_SIZE, TINY_SIZE, 3), dtype=np.uint8
    )


def scaled(chips: np.ndarray) -> np.ndarray:
    return (chips.astype(np.float32) - 127.5) / 128


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The tiny network in every form, and what TensorFlow says of the tiny chips."""
    place = tmp_path_factory.mktemp("tiny")
    functions = write_functions(place / "functions", phased=False)
    phased = write_functions(place / "phased", phased=True)
    with training_graph(tiny_arrays(), tiny_network, TINY_SIZE) as graph:
        return {
            "expected": graph.embed(scaled(tiny_chips())),
            "frozen": graph.write_frozen(place / "tiny.pb"),
            "checkpoint": graph.write_checkpoint(place / "checkpoint", "tiny"),
            "saved-model": graph.write_saved_model(place / "saved"),
            "functions": functions,
            "phased-functions": phased,
        }


def run(source: Any, out: Path, *more: str) -> int:
    return main([str(source), "--out", str(out), "--size", str(TINY_SIZE), *more])


@pytest.mark.parametrize("form", FORMS)
def test_every_form_serves_what_tensorflow_computed(
    tiny: dict[str, Any], form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tiny[form], tmp_path) == 0

    for choice in ({"precision": "float32"}, {"engine": "tensorflow"}):
        found = load(tmp_path, **choice).embed(tiny_chips())
        np.testing.assert_allclose(found, tiny["expected"], atol=1e-5)
    found = load(tmp_path, precision="int8").embed(tiny_chips())
    assert (found * tiny["expected"]).sum(axis=1).min() > 0.999
    table = capsys.readouterr().out
    assert "Parity with TensorFlow on" in table
    assert all(name in table for name in ("float32", "int8", "tensorflow"))


def test_the_served_graph_is_convolutions_with_all_else_folded_in(
    tiny: dict[str, Any], tmp_path: Path
) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    run(tiny["frozen"], tmp_path)

    plain = Interpreter(
        str(tmp_path / "float32.tflite"),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    ops = [op["op_name"] for op in plain._get_ops_details()]
    assert ops.count("CONV_2D") == 2
    assert not {"SUB", "RSQRT", "RELU", "IF", "WHILE"} & set(ops)
    assert len(ops) <= 10


def test_the_training_branches_are_gone_from_the_frozen_graph(
    tiny: dict[str, Any], tmp_path: Path
) -> None:
    run(tiny["frozen"], tmp_path)

    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString((tmp_path / "tensorflow.pb").read_bytes())
    ops = {node.op for node in definition.node}
    assert not ops & {"Switch", "Merge", "RandomUniform", "QueueDequeueManyV2"}
    assert [node.name for node in definition.node if node.op == "Placeholder"] == ["input"]


def test_the_manifest_says_where_the_weights_came_from_but_not_where_they_lay(
    tiny: dict[str, Any], tmp_path: Path
) -> None:
    run(tiny["frozen"], tmp_path, "--licence", "MIT", "--margin", "44", "--no-frozen-graph")

    text = (tmp_path / "manifest.json").read_text()
    manifest = json.loads(text)
    assert str(tiny["frozen"].parent) not in text
    assert manifest["provenance"]["source"] == "tiny.pb"
    assert manifest["alignment"] == {"kind": "box", "margin": 44, "size": TINY_SIZE}
    assert (manifest["id"], manifest["licence"]) == ("tiny", "MIT")
    assert set(manifest["files"]) == {"float32", "int8"}
    assert set(manifest["provenance"]["parity"]["int8"]) == {"max_difference", "min_cosine"}
    assert not (tmp_path / "tensorflow.pb").exists()


def test_the_manifest_knows_what_each_file_answers_to_the_check_chip(
    tiny: dict[str, Any], tmp_path: Path
) -> None:
    run(tiny["frozen"], tmp_path, "--licence", "MIT", "--margin", "44")

    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert set(manifest["check"]) == set(manifest["files"]) == {"float32", "int8", "tensorflow"}
    for engine, precision in (("litert", "int8"), ("litert", "float32"), ("tensorflow", None)):
        model_layer.load(tmp_path, engine=engine, precision=precision)  # compares its answer


def test_public_weights_are_recognised_by_their_name(tiny: dict[str, Any], tmp_path: Path) -> None:
    source = shutil.copy(tiny["frozen"], tmp_path / "20180402-114759.pb")

    run(source, tmp_path / "out")

    manifest = load(tmp_path / "out").manifest
    assert (manifest.id, manifest.licence) == (f"20180402-114759-size{TINY_SIZE}", "MIT")
    assert manifest.input.standardization == "fixed"
    assert getattr(manifest.alignment, "margin", None) == 32


@pytest.mark.parametrize(
    ("more", "measured"),
    [
        ([], True),
        (["--standardization", "prewhiten"], False),
        (["--margin", "44"], False),
        (["--alignment", "similarity"], False),
        (["--colour-order", "BGR"], False),
    ],
)
def test_thresholds_of_public_weights_hold_only_as_they_were_measured(
    more: list[str], measured: bool
) -> None:
    options = parse_arguments(["20180402-114759.pb", "--out", "out", *more])

    known = describe(options, Path("20180402-114759.pb"), size=160).known

    assert (known.thresholds["default_far"] is not None) == measured
    assert (known.calibration is not None) == measured


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ([], "20180402-114759"),
        (
            ["--standardization", "prewhiten", "--margin", "44"],
            "20180402-114759-prewhiten-margin44",
        ),
        (["--alignment", "similarity", "--colour-order", "BGR"], "20180402-114759-similarity-bgr"),
        (["--margin", "44", "--id", "mine-20180402-114759"], "mine-20180402-114759"),
    ],
)
def test_public_weights_that_embed_in_another_way_have_an_id_of_their_own(
    more: list[str], name: str
) -> None:
    options = parse_arguments(["20180402-114759.pb", "--out", "out", *more])

    assert describe(options, Path("20180402-114759.pb"), size=160).id == name


def test_the_size_of_a_chip_is_in_the_id_where_it_is_not_the_measured_one() -> None:
    options = parse_arguments(["20180402-114759.pb", "--out", "out"])

    assert describe(options, Path("x.pb"), size=128).id == "20180402-114759-size128"


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("20180402-114759.pb", "20180402-114759.pb"),
        ("models/facenet-20180402-114759.npz", "facenet-20180402-114759.npz"),
        ("run/model-20180402-114759.meta", "model-20180402-114759.meta"),
        ("20180402-114759.zip", ".download/20180402-114759"),
        ("models/20180402-114759/", "20180402-114759"),
        ("s3://b/models/20180402-114759/", ".download/20180402-114759"),
        ("https://host/20180402-114759.pb?version=2", ".download/20180402-114759.pb"),
    ],
)
def test_a_release_is_known_by_the_name_of_its_file_or_folder(source: str, path: str) -> None:
    description = describe(parse_arguments([source, "--out", "out"]), Path(path), size=160)

    assert (description.id, description.licence) == ("20180402-114759", "MIT")


def test_a_release_is_known_by_the_name_inside_a_zip(tmp_path: Path) -> None:
    (tmp_path / "20180402-114759").mkdir()

    description = describe(parse_arguments(["x.zip", "--out", "out"]), tmp_path, size=160)

    assert (description.id, description.licence) == ("20180402-114759", "MIT")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("20180402-114759-finetuned-on-masks.pb", "20180402-114759-finetuned-on-masks"),
        ("20180402-114759_student128.npz", "20180402-114759_student128"),
        ("20180402-114759.finetuned/", "20180402-114759.finetuned"),
        ("derived-from-20180402-114759/", "derived-from-20180402-114759"),
        ("s3://b/derived-from-20180402-114759/mine.pb", "mine"),
        ("s3://b/20180402-114759/mine.pb", "mine"),
        ("20180402-114759/mine.pb", "mine"),
        ("https://host/derived-from-20180402-114759/mine.pb", "mine"),
        ("facenet-20990402-114759.pb", "facenet-20990402-114759"),
    ],
)
def test_weights_derived_from_a_release_are_not_taken_for_it(source: str, name: str) -> None:
    options = parse_arguments([source, "--out", "out"])

    description = describe(options, Path(source.rstrip("/")), size=160)

    assert (description.id, description.licence) == (name, "unknown")
    assert description.known.calibration is None


def test_the_command_in_the_manifest_hides_folders_and_nothing_else() -> None:
    source = "s3://bucket/models/x.pb"
    words = [source, "--out=models/x", "--faces", "/home/me/faces", "--input-tensor", "in/image:0"]

    facts = provenance(source, Path("absent"), words, Chips(tiny_chips(), "tiny"), [])

    assert facts["command"] == (
        f"python -m tools.import_model {source} --out=x --faces faces --input-tensor in/image:0"
    )


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("s3://b/run#3/x?.pb", "s3://b/run#3/x?.pb"),
        ("https://me:secret@host/run/x.pb?token=secret#3", "https://host/run/x.pb"),
        ("/home/me/run#3/x.pb", "x.pb"),
    ],
)
def test_the_public_name_of_a_source_is_all_of_it_that_holds_no_secret(
    source: str, name: str
) -> None:
    assert public_name(source) == name


def test_similarity_alignment_and_prewhitening_can_be_asked_for(
    tiny: dict[str, Any], tmp_path: Path
) -> None:
    run(tiny["frozen"], tmp_path, "--alignment", "similarity", "--standardization", "prewhiten")

    manifest = load(tmp_path).manifest
    assert type(manifest.alignment).__name__ == "SimilarityAlignment"
    assert manifest.input.standardization == "prewhiten"


def test_without_pictures_the_files_are_checked_on_synthetic_chips(
    tiny: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tiny["frozen"], tmp_path / "out", "--faces", str(tmp_path)) == 0

    assert "synthetic chips, no face found" in capsys.readouterr().out


def test_a_zip_of_a_checkpoint_folder_is_unpacked(tiny: dict[str, Any], tmp_path: Path) -> None:
    archive = tmp_path / "tiny.zip"
    with zipfile.ZipFile(archive, "w") as members:
        for path in tiny["checkpoint"].iterdir():
            members.write(path, f"tiny/{path.name}")
            members.writestr(f"__MACOSX/tiny/._{path.name}", b"made by macOS")
        members.writestr("tiny/._model-tiny.ckpt-900.index", b"made by macOS")

    assert run(archive, tmp_path / "out") == 0

    found = load(tmp_path / "out", precision="float32").embed(tiny_chips())
    np.testing.assert_allclose(found, tiny["expected"], atol=1e-5)
    assert not (tmp_path / "out" / ".download").exists()


def test_pairs_that_measure_nothing_are_refused_before_the_work(tmp_path: Path) -> None:
    pairs, out = tmp_path / "pairs.csv", tmp_path / "out"
    pairs.write_text("fold,image_a,image_b,same\n1,a.jpg,b.jpg,1\n1,a.jpg,c.jpg,0\n")
    words = ["absent.pb", "--out", out, "--pairs", pairs, "--images", tmp_path]
    with pytest.raises(SystemExit, match="two folds"):
        main([str(word) for word in words])
    assert not out.exists()


@pytest.mark.parametrize("kind", ["no zip", "other pictures"])
def test_pictures_that_cannot_be_compared_are_refused_before_the_work(
    tmp_path: Path, kind: str
) -> None:
    pairs = write_pairs(tmp_path / "pairs.csv", ("a", "b", 1), ("a", "c", 0))
    images, out = tmp_path / "images.zip", tmp_path / "out"
    if kind == "no zip":
        images.write_text("<html>404</html>")
    else:
        with zipfile.ZipFile(images, "w") as members:
            members.writestr("a.jpg", b"")
    message = "neither a folder nor a zip" if kind == "no zip" else r"has no b\.jpg"
    words = ["absent.pb", "--out", out, "--pairs", pairs, "--images", images]
    with pytest.raises(SystemExit, match=message):
        main([str(word) for word in words])
    assert not out.exists()


def test_pairs_that_are_a_folder_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("absent.pb", tmp_path, "--pairs", str(tmp_path), "--images", str(tmp_path)) == 1

    assert "Is a directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "advice"),
    [
        (["--input-tensor", "pictures:0"], "--input-tensor and --output-tensor"),
        (["--output-tensor", "vectors:0"], "--input-tensor and --output-tensor"),
        (["--output-tensor", "embeddings:1"], "Invalid return output 1 of node 'embeddings'"),
        (["--output-tensor", "phase_train:0"], "phase_train:0 does not depend on input:0"),
        (["--phase-tensor", "training:0"], "--fix phase_train:0=VALUE"),
        (["--input-tensor", "InceptionResnetV1/First/weights:0"], "--fix"),
        (["--fix", "phase_train:0"], "NAME=VALUE"),
        (["--fix", "phase_train:0=1.5"], "phase_train cannot be fixed to 1.5"),
        (["--id", "x" * 201], "cannot be described"),
        (["--pairs", "pairs.csv"], "--pairs needs --images"),
        (["--images", "images.zip"], "--images needs --pairs"),
        (["--faces", "absent"], "--faces absent is not a folder"),
        (["--faces", __file__], "is not a folder"),
    ],
)
def test_an_import_that_cannot_work_says_what_to_do(
    tiny: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    advice: str,
) -> None:
    assert run(tiny["frozen"], tmp_path, *more) == 1

    assert advice in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--margin", "-1"], ["--size", "-5"], ["--size", "0"]])
def test_numbers_that_no_picture_has_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["x.pb", "--out", "out", *words])

    assert f"{words[1]!r} is not a whole number" in capsys.readouterr().err


def test_a_damaged_picture_is_named_before_any_file_is_written(
    tiny: dict[str, Any], tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (root / "events" / "pictures" / "grace_hopper.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[:2000])

    assert run(tiny["frozen"], tmp_path / "out", "--faces", str(tmp_path)) == 1

    assert "cut.jpg" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_an_output_that_is_a_file_is_refused(
    tiny: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tiny["frozen"], tiny["frozen"]) == 1

    assert "cannot be a folder" in capsys.readouterr().err


def test_a_tensor_may_be_named_by_its_operation() -> None:
    options = parse_arguments(["x.pb", "--out", "out", "--output-tensor", "vectors"])

    assert options.output_tensor == "vectors:0"


def small_graph(dtype: Any = tf.float32) -> Any:
    """`pictures:0` to `vectors:0` by way of `flat`."""
    with tf.Graph().as_default() as graph:
        pictures = tf.compat.v1.placeholder(dtype, [None, 4, 4, 3], name="pictures")
        flat = tf.reshape(pictures, [-1, 48], name="flat")
        tf.identity(tf.cast(flat, tf.float32), name="vectors")
    return graph.as_graph_def()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("whole pixels", "given float32 pictures: .* expected uint8"),
        ("custom op", "does not accept this graph.* Op type not registered 'Custom'"),
        ("damaged", "damaged: vectors reads flat, which is not in it"),
    ],
)
def test_a_graph_that_cannot_be_served_says_what_is_wrong_with_it(kind: str, message: str) -> None:
    graph = small_graph(tf.uint8 if kind == "whole pixels" else tf.float32)
    flat = next(node for node in graph.node if node.name == "flat")
    if kind == "custom op":
        flat.op = "Custom"
    elif kind == "damaged":
        graph.node.remove(flat)
    names = TensorNames(images="pictures:0", embeddings="vectors:0")

    with pytest.raises(ImportFailed, match=message):
        freeze(SourceGraph(graph, names), None, {})


def test_another_placeholder_can_be_given_its_value(tiny: dict[str, Any], tmp_path: Path) -> None:
    names = ["--phase-tensor", "absent:0", "--fix", "phase_train:0=false"]

    assert run(tiny["frozen"], tmp_path, *names) == 0


def write_bad(folder: Path, kind: str) -> Path:
    """Sources that are not what they seem."""
    path = folder / {"pickle": "x.npz", "text": "x.pb", "arrays": "y.npz"}.get(kind, kind)
    if kind == "pickle":
        np.savez(path, weights=np.array([{"code": "runs"}], dtype=object), allow_pickle=True)
    elif kind == "arrays":
        np.savez(path, weights=np.zeros(3))
    elif kind == "text":
        path.write_text("<html>404</html>")
    elif kind == "empty":
        path.mkdir()
    elif kind == "two":
        path.mkdir()
        (path / "a.pb").touch()
        (path / "b.pb").touch()
    elif kind == "lonely":
        path.mkdir()
        (path / "model.meta").touch()
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("pickle", "not an .npz of plain arrays"),
        ("arrays", "must hold Inception-ResNet-v1"),
        ("text", "no TensorFlow graph"),
        ("empty", "give the folder that does"),
        ("two", "more than one model"),
        ("lonely", "no .ckpt"),
        ("nothing", "does not exist"),
        ("http://example.com/x.pb", "not trusted"),
    ],
)
def test_a_source_that_is_no_model_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, message: str
) -> None:
    source = kind if "//" in kind else write_bad(tmp_path, kind)

    assert run(source, tmp_path / "out") == 1

    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_file_that_deviates_leaves_no_model_behind(
    tiny: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tools.import_model.check_parity.FLOAT32_TOLERANCE", -1.0)

    assert run(tiny["frozen"], tmp_path) == 1

    assert "float32, tensorflow: not equal to TensorFlow" in capsys.readouterr().err
    assert not (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize(
    ("name", "difference", "cosine", "wrong"),
    [
        ("float32", 1e-5, 1.0, False),
        ("float32", 1e-3, 1.0, True),
        ("int8", 7e-3, 0.9986, False),
        ("int8", 0.2, 0.9, True),
        ("int8", float("nan"), float("nan"), True),
    ],
)
def test_every_precision_may_differ_by_its_own_rounding(
    name: str, difference: float, cosine: float, wrong: bool
) -> None:
    assert deviating([Parity(name, 1, difference, cosine)]) == ([name] if wrong else [])


@pytest.mark.parametrize(
    ("meta", "others", "found"),
    [
        ("model-a", ["model-a.ckpt-100", "model-b.ckpt-900"], "model-a.ckpt-100"),
        ("model-a", ["model-a.ckpt-100", "model-a-b.ckpt-900"], "model-a.ckpt-100"),
        ("model-a", ["model-a.ckpt-100", "model-a.ckpt-900"], "model-a.ckpt-900"),
        ("model.ckpt-100", ["model.ckpt-100", "model.ckpt-900"], "model.ckpt-100"),
        ("graph", ["model.ckpt-100", "model.ckpt-900"], "model.ckpt-900"),
    ],
)
def test_a_meta_goes_with_the_newest_checkpoint_that_is_named_after_it(
    tmp_path: Path, meta: str, others: list[str], found: str
) -> None:
    for name in others:
        (tmp_path / f"{name}.index").touch()

    assert _find_checkpoint(tmp_path / f"{meta}.meta") == tmp_path / found


def test_a_meta_without_a_checkpoint_of_its_own_is_not_given_a_strangers(tmp_path: Path) -> None:
    for name in ("model-a.ckpt-100.index", "model-b.ckpt-900.index"):
        (tmp_path / name).touch()

    with pytest.raises(ImportFailed, match=r"named after graph\.meta"):
        _find_checkpoint(tmp_path / "graph.meta")


@pytest.fixture
def bundled(root: Path, tmp_path: Path) -> Path:
    """A copy of the bundled model that a test may change."""
    folder = tmp_path / "model"
    shutil.copytree(root / "model_layer" / "models" / "facenet-mobile-128", folder)
    (folder / "parity.npz").unlink()
    return folder


def write_pairs(path: Path, *pairs: tuple[str, str, int]) -> Path:
    """The same pairs in two folds."""
    lines = [f"{fold},{a}.jpg,{b}.jpg,{same}" for fold in (1, 2) for a, b, same in pairs]
    path.write_text("\n".join(["fold,image_a,image_b,same", *lines]))
    return path


def test_calibration_leaves_no_face_in_the_model_folder(
    bundled: Path, root: Path, tmp_path: Path
) -> None:
    one, other, third = "eileen_collins", "eileen_collins_second", "grace_hopper"
    pairs = write_pairs(tmp_path / "pairs.csv", (one, other, 1), (one, third, 0))
    before = json.loads((bundled / "manifest.json").read_text())
    calibrate(bundled, pairs, root / "events" / "pictures")
    after = json.loads((bundled / "manifest.json").read_text())
    assert after["calibration"] != before["calibration"]
    assert (bundled / "calibration" / "report.json").exists()
    assert not list(bundled.rglob("*.npz"))


def test_pairs_without_a_usable_threshold_leave_the_manifest_as_it_was(
    bundled: Path, root: Path, tmp_path: Path
) -> None:
    one, other = "eileen_collins", "eileen_collins_second"
    pairs = write_pairs(tmp_path / "pairs.csv", (one, other, 1), (one, one, 0))
    before = (bundled / "manifest.json").read_text()
    with pytest.raises(ImportFailed, match="keeps its old thresholds"):
        calibrate(bundled, pairs, root / "events" / "pictures")
    assert (bundled / "manifest.json").read_text() == before


def test_an_interrupted_calibration_does_not_say_that_it_goes_on(
    bundled: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tools.evaluate.__main__.make_chips", interrupt)
    pairs = write_pairs(tmp_path / "pairs.csv", ("a", "b", 1), ("a", "c", 0))
    with pytest.raises(KeyboardInterrupt):
        calibrate(bundled, pairs, root / "events" / "pictures")


@pytest.mark.parametrize("missing", ["--pairs", "--images"])
def test_pairs_that_are_not_there_are_said_before_any_work(
    missing: str, tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"--pairs": root / "README.md", "--images": root, missing: tmp_path / "absent"}
    words = [str(word) for place in places.items() for word in place]
    assert run(tmp_path / "source-that-is-not-there.pb", tmp_path, *words) == 1
    assert "absent does not exist" in capsys.readouterr().err
