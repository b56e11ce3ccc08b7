"""ONNX and OpenVINO networks: one command each, parity with their own runtimes, clear refusals."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_layer import load
from model_layer.distance import normalise
from tests.contract.network_files import SIZE, small_network, write_onnx
from tests.contract.test_import_fetch import Bucket
from tests.needs import not_here
from tools.import_model.arguments import parse_arguments
from tools.import_model.build_graph import build_graph, compute
from tools.import_model.calibrate import beside_claims
from tools.import_model.check_parity import reference
from tools.import_model.cli import main
from tools.import_model.describe import ask_licence
from tools.import_model.equalize import equalize
from tools.import_model.errors import ImportFailed
from tools.import_model.fold import simplify_network
from tools.import_model.network import Network, standardized_input
from tools.import_model.quantize import Candidate, better
from tools.import_model.read_onnx import read_onnx
from tools.import_model.read_openvino import read_openvino
from tools.import_model.sources import locate

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:tensorflow.*"),
]
IR = "face-reidentification-retail-0095"


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    for name in ("onnx", "onnxruntime"):
        try:
            __import__(name)
        except ImportError:
            not_here(f"needs the package {name} of the group networks (make test-all)")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_onnx(tmp_path_factory.mktemp("onnx") / "small.onnx", small_network())


def pixels(count: int = 6) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (count, SIZE, SIZE, 3)).astype(np.float32)


def by_runtime(path: Path, pictures: np.ndarray) -> np.ndarray:
    """Unit vectors of pictures from 0 to 255, by ONNX Runtime itself."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    turned = pictures.transpose(0, 3, 1, 2).astype(np.float32)
    return normalise(np.concatenate([session.run(None, {name: x[None]})[0] for x in turned]))


def test_an_onnx_network_imports_in_one_command(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--out", str(tmp_path), "--licence", "MIT", "--origin", "made here"]

    assert main([str(small), *words]) == 0

    manifest = json.loads((tmp_path / "manifest.json").read_text())
    chips = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
    expected = by_runtime(small, chips)
    for choice in ({"precision": "float32"}, {"engine": "tensorflow"}):
        np.testing.assert_allclose(load(tmp_path, **choice).embed(chips), expected, atol=1e-5)
    assert (load(tmp_path).embed(chips) * expected).sum(axis=1).min() > 0.99
    assert manifest["alignment"] == {"kind": "similarity", "size": SIZE}
    assert (manifest["licence"], manifest["provenance"]["origin"]) == ("MIT", "made here")
    assert manifest["provenance"]["runtime"] == "ONNX Runtime"
    assert manifest["calibration"] is None
    printed = capsys.readouterr().out
    assert "Parity with ONNX Runtime" in printed
    assert "No rate was measured" in printed


def test_a_network_that_does_not_scale_its_input_is_fed_as_the_options_say(tmp_path: Path) -> None:
    plain = write_onnx(tmp_path / "plain.onnx", small_network(scaled=False))
    words = ["--mean", "100", "--scale", "0.02", "--colour-order", "BGR"]
    template = ["--template", "5,6 10,6 8,8 6,11 10,11"]

    assert main([str(plain), "--out", str(tmp_path / "out"), *words, *template]) == 0

    chips = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    expected = by_runtime(plain, (chips[..., ::-1].astype(np.float32) - 100) * np.float32(0.02))
    found = load(tmp_path / "out", precision="float32").embed(chips)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    alignment = json.loads((tmp_path / "out" / "manifest.json").read_text())["alignment"]
    assert alignment["template"][2] == [8, 8]


def test_static_int8_is_tried_with_pictures_to_calibrate(
    small: Path, tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = root / "events" / "pictures"

    assert main([str(small), "--out", str(tmp_path), "--calibration", str(pictures)]) == 0

    printed = capsys.readouterr().out
    assert "int8, dynamic: mean cosine" in printed
    assert "int8, static: mean cosine" in printed
    assert printed.count(", served") == 1
    quantization = json.loads((tmp_path / "manifest.json").read_text())["provenance"][
        "quantization"
    ]
    assert f"int8, {quantization}: " in next(x for x in printed.splitlines() if ", served" in x)


def test_a_folder_without_faces_calibrates_nothing(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    words = ["--out", str(tmp_path / "out"), "--calibration", str(tmp_path / "empty")]

    assert main([str(small), *words]) == 1
    assert "no picture with a face" in capsys.readouterr().err


@pytest.mark.parametrize("scaled", [True, False])
def test_folding_leaves_the_function_and_little_else(scaled: bool) -> None:
    network = standardized_input(small_network(scaled=scaled), (127.5,) * 3, 1 / 128)
    folded = simplify_network(as_read(network))

    kinds = [op.kind for op in folded.operations]
    assert not {"BatchNormalization", "Sub"} & set(kinds)
    assert kinds.count("Conv") == 5
    before = np.asarray(compute(as_read(network), pixels())[network.output])
    after = np.asarray(compute(folded, pixels())[folded.output])
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-4)


def as_read(network: Network) -> Network:
    """As the reader leaves it: no Sub."""
    operations, constants = [], dict(network.constants)
    for op in network.operations:
        if op.kind == "Sub":
            constants[op.inputs[1]] = -constants[op.inputs[1]]
        operations.append(replace(op, kind="Add") if op.kind == "Sub" else op)
    return simplify_batch_norm(replace(network, operations=tuple(operations), constants=constants))


def simplify_batch_norm(network: Network) -> Network:
    from tools.import_model.fold import _without_batch_norm

    return _without_batch_norm(network)


def test_equalizing_leaves_the_function_and_evens_the_ranges(tmp_path: Path, small: Path) -> None:
    network = simplify_network(standardized_input(read_onnx(small, None), (0.0,) * 3, 1.0))
    chips = pixels(16)

    even = equalize(network, chips)

    expected = reference(build_graph(network))(chips)
    np.testing.assert_allclose(reference(build_graph(even))(chips), expected, atol=1e-5)
    assert spread(even, chips) < 0.5 * spread(network, chips)


def spread(network: Network, chips: np.ndarray) -> float:
    """How much wider the widest channel is than the narrowest, over all convolutions."""
    values = compute(network, chips)
    found = []
    for op in network.operations:
        if op.kind == "Conv" and network.shapes[op.output][2] > 1:
            largest = np.abs(np.asarray(values[op.output])).max(axis=(0, 1, 2))
            found.append(np.log(largest.max() / largest.min()))
    return float(np.mean(found))


@pytest.mark.parametrize(
    ("qualities", "times", "chosen"),
    [
        ((0.998, 0.991), (8.0, 4.2), "static"),
        ((0.998, 0.91), (8.0, 4.2), "dynamic"),
        ((0.91, 0.99), (4.0, 8.0), "static"),
        ((0.998, 0.997), (8.0, 7.9), "dynamic"),
    ],
)
def test_the_faster_int8_is_served_where_it_is_as_good(
    qualities: tuple[float, float], times: tuple[float, float], chosen: str
) -> None:
    found = [
        Candidate(name, b"", cosine, time)
        for name, cosine, time in zip(("dynamic", "static"), qualities, times, strict=True)
    ]

    assert better(found, lambda one: one.cosine, 0.01).method == chosen


@pytest.mark.parametrize(
    ("kind", "message"),
    [("Softplus", "uses Softplus, which the importer does not know"), ("Nonsense", "damaged")],
)
def test_unknown_operators_are_named(tmp_path: Path, kind: str, message: str) -> None:
    network = small_network()
    first = replace(network.operations[0], kind=kind, inputs=network.operations[0].inputs[:1])
    path = write_onnx(
        tmp_path / "x.onnx", replace(network, operations=(first, *network.operations[1:]))
    )

    with pytest.raises(ImportFailed, match=message):
        read_onnx(path, None)


def test_a_picture_of_any_size_needs_its_size_named(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "x.onnx", small_network(), size="side")

    with pytest.raises(ImportFailed, match=r"dynamic shape.*--size"):
        read_onnx(path, None)
    assert read_onnx(path, SIZE).size == SIZE


def test_several_inputs_are_refused(tmp_path: Path, small: Path) -> None:
    import onnx

    model = onnx.load(small)
    other = onnx.helper.make_tensor_value_info("other", onnx.TensorProto.FLOAT, [1, 3])
    model.graph.input.append(other)
    onnx.save(model, tmp_path / "x.onnx")

    with pytest.raises(ImportFailed, match="2 inputs and 1 outputs"):
        read_onnx(tmp_path / "x.onnx", None)


def test_weights_in_other_files_are_refused(tmp_path: Path, small: Path) -> None:
    import onnx

    model = onnx.load(small)
    onnx.save(
        model, tmp_path / "x.onnx", save_as_external_data=True, location="x.data", size_threshold=0
    )

    with pytest.raises(ImportFailed, match="other files"):
        read_onnx(tmp_path / "x.onnx", None)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 0.99])
def test_an_onnx_file_cut_short_is_refused(tmp_path: Path, small: Path, share: float) -> None:
    content = small.read_bytes()
    (tmp_path / "x.onnx").write_bytes(content[: int(len(content) * share)])

    with pytest.raises(ImportFailed, match="damaged"):
        read_onnx(tmp_path / "x.onnx", None)


def test_division_by_the_length_is_read_as_normalization(tmp_path: Path) -> None:
    """As PyTorch writes `functional.normalize`."""
    network = small_network()
    last = replace(network.operations[-1], kind="LpNormalization", inputs=(network.output,))
    last = replace(last, output="unit", attributes={"axis": 1, "p": 2})
    shapes = dict(network.shapes) | {"unit": network.shapes[network.output]}
    network = replace(network, output="unit", operations=(*network.operations, last), shapes=shapes)
    path = write_onnx(tmp_path / "x.onnx", network)

    kinds = [op.kind for op in read_onnx(path, None).operations]

    assert kinds[-1] == "LpNormalization"
    assert not {"ReduceL2", "Clip", "Expand"} & set(kinds)


def test_division_by_another_tensor_is_refused(tmp_path: Path) -> None:
    network = small_network()
    last = network.operations[-1]
    divided = replace(last, kind="Div", inputs=(network.output, last.inputs[0]), output="ratio")
    shapes = dict(network.shapes) | {"ratio": network.shapes[network.output]}
    operations = (*network.operations, replace(divided, attributes={}))
    network = replace(network, output="ratio", operations=operations, shapes=shapes)

    with pytest.raises(ImportFailed, match="Div of two tensors"):
        read_onnx(write_onnx(tmp_path / "x.onnx", network), None)


def test_a_picture_as_the_output_is_refused(tmp_path: Path) -> None:
    network = small_network()
    middle = next(op.output for op in network.operations if op.kind == "PRelu")
    path = write_onnx(tmp_path / "x.onnx", replace(network, output=middle))

    with pytest.raises(ImportFailed, match="a face network gives one vector"):
        read_onnx(path, None)


LAYERS = """<?xml version="1.0"?><net name="x" version="11"><layers>
<layer id="0" name="in" type="Parameter" version="opset1"><data shape="1,3,8,8" element_type="f32"/>
<output><port id="0"><dim>{batch}</dim><dim>3</dim><dim>8</dim><dim>8</dim></port></output></layer>
<layer id="1" name="w" type="Const" version="opset1"><data element_type="f32" shape="4, 3, 8, 8"
 offset="0" size="3072"/><output><port id="0"><dim>4</dim><dim>3</dim><dim>8</dim><dim>8</dim>
</port></output></layer>
<layer id="2" name="c" type="{kind}" version="opset1"><data strides="1, 1" dilations="1, 1"
 pads_begin="0, 0" pads_end="0, 0"/><input><port id="0"/><port id="1"/></input>
<output><port id="2"><dim>1</dim><dim>4</dim><dim>1</dim><dim>1</dim></port></output></layer>
<layer id="3" name="out" type="Result" version="opset1"><input><port id="0"/></input></layer>{more}
</layers><edges><edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>
<edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>
<edge from-layer="2" from-port="2" to-layer="3" to-port="0"/></edges></net>"""


def write_ir(folder: Path, **changes: str) -> Path:
    words = {"batch": "1", "kind": "Convolution", "more": ""} | changes
    weights = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)
    (folder / "x.bin").write_bytes(weights.tobytes())
    (folder / "x.xml").write_text(LAYERS.format(**words))
    return folder / "x.xml"


def test_an_ir_is_read_with_its_weights(tmp_path: Path) -> None:
    network = read_openvino(write_ir(tmp_path))

    assert (network.size, network.shapes[network.output]) == (8, (1, 4, 1, 1))
    assert [op.kind for op in network.operations] == ["Conv"]


SECOND = (
    '<layer id="4" name="b" type="Parameter" version="opset1"><data shape="1" element_type="f32"/>'
    '<output><port id="0"><dim>1</dim></port></output></layer>'
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "DeformableConvolution"}, "uses DeformableConvolution"),
        ({"batch": "-1"}, "dynamic shapes"),
        ({"more": SECOND}, "2 inputs and 1 outputs"),
    ],
)
def test_an_ir_that_is_no_face_network_is_refused(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(ImportFailed, match=message):
        read_openvino(write_ir(tmp_path, **changes))


def test_damaged_and_missing_parts_of_an_ir_are_refused(tmp_path: Path) -> None:
    path = write_ir(tmp_path)
    text = path.read_text()
    (tmp_path / "x.bin").write_bytes(b"short")
    with pytest.raises(ImportFailed, match=r"\.bin is too short"):
        read_openvino(path)
    (tmp_path / "x.bin").unlink()
    with pytest.raises(ImportFailed, match=r"x\.bin is not beside"):
        read_openvino(path)
    write_ir(tmp_path)
    path.write_text(text[: len(text) // 2])
    with pytest.raises(ImportFailed, match="damaged"):
        read_openvino(path)


def test_entities_that_grow_are_refused_unread(tmp_path: Path) -> None:
    path = write_ir(tmp_path)
    bomb = '<!DOCTYPE net [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    path.write_text(path.read_text().replace("<net", f"{bomb}<net", 1))

    with pytest.raises(ImportFailed, match="document type"):
        read_openvino(path)


@pytest.fixture
def ir(shared: Path, tmp_path: Path) -> Path:
    """A copy of the published network, which may be changed."""
    shutil.copytree(shared / "models" / IR, tmp_path / "ir", copy_function=shutil.copyfile)
    return tmp_path / "ir" / f"{IR}.xml"


@pytest.mark.shared
@pytest.mark.parametrize("form", ["OpenVINO", "ONNX"])
def test_the_published_network_imports_in_one_command(
    ir: Path, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = ir
    if form == "ONNX":
        source = write_onnx(tmp_path / f"{IR}.onnx", read_openvino(ir))

    assert main([str(source), "--out", str(tmp_path / "out")]) == 0

    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["id"], manifest["licence"]) == (IR, "Apache-2.0")
    assert manifest["input"]["colour_order"] == "BGR"
    parity = manifest["provenance"]["parity"]
    assert parity["float32"]["max_difference"] < 1e-5
    assert parity["int8"]["min_cosine"] > 0.99  # 0.6 without equalization
    assert form in manifest["provenance"]["runtime"] or form == "OpenVINO"
    assert f"Parity with {manifest['provenance']['runtime']}" in capsys.readouterr().out


@pytest.mark.shared
def test_the_published_network_keeps_its_accuracy_through_the_product(
    ir: Path, shared: Path, tmp_path: Path
) -> None:
    """LFW's folds 1 to 3, float32, as docs/models.md states them; float32 is the authors' network
    to 1e-5, so what differs from other measurements is how faces are found."""
    from tools.evaluate.__main__ import main as evaluate

    assert main([str(ir), "--out", str(tmp_path / "model"), "--no-frozen-graph"]) == 0
    lfw = shared / "faces" / "lfw"
    places = {"--pairs": lfw / "pairs.csv", "--images": lfw / "images.zip"}
    places |= {"--model": tmp_path / "model", "--out": tmp_path / "report"}
    words = [str(word) for place in places.items() for word in place]
    evaluate([*words, "--precision", "float32"])

    report = json.loads((tmp_path / "report" / "report.json").read_text())
    accepted = {row["far"]: row["accepted"] for row in report["by_far"]}
    assert report["accuracy"]["mean"] == pytest.approx(0.9933, abs=0.0024)
    for far, share in ((1e-3, 0.982), (1e-4, 0.968), (1e-5, 0.877)):
        assert accepted[far]["value"] == pytest.approx(share, abs=0.003)


def test_the_weights_beside_a_fetched_ir_are_fetched_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = Bucket()
    path = write_ir(tmp_path)
    bucket.objects = {f"m/x{end}": path.with_suffix(end).read_bytes() for end in (".xml", ".bin")}
    monkeypatch.setattr("boto3.client", lambda _: bucket)
    options = parse_arguments(["s3://b/m/x.xml", "--out", "out"])

    _, found = locate(options, tmp_path / "work")

    assert read_openvino(found).size == 8


def test_an_unknown_licence_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: " BSD-3-Clause ")

    assert ask_licence("unknown") == "BSD-3-Clause"
    assert ask_licence("MIT") == "MIT"


def test_an_accuracy_far_below_the_authors_says_what_to_look_at() -> None:
    claims = [{"accuracy": 0.9947, "protocol": "LFW", "source": "https://example.org"}]

    assert beside_claims(0.9933, claims) == [
        "accuracy 0.9933 here, 0.9947 by its authors (LFW): -0.0014"
    ]
    assert "--colour-order" in beside_claims(0.91, claims)[0]
