"""Rebuild the detector's three LiteRT files from the published MTCNN weights, and compare.

    python -m training.build_detector                 # compare align/weights with a rebuild
    python -m training.build_detector --write         # replace them and digests.json

The weights are the Caffe originals of Zhang et al. 2016 (MIT), as the PyPI package `mtcnn` 1.0.0
carries them. Three things change, none of them a number that a net computes:

- the nets were trained on pictures with width first. The package's kernels are height-first
  already; the rows of the first dense layer are reordered here, where the package transposes
  the features at run time;
- (pixel - 127.5) / 128 is folded into the first convolution, which has no padding, so the nets
  take raw pixel values;
- the heads of a net become one layer, its two class scores one logit (face minus no face).
"""

import argparse
import hashlib
import importlib.resources
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tools.needs import packages_of

Array = npt.NDArray[np.float32]
Layers = Iterator[Array]

WEIGHTS = Path(__file__).resolve().parent.parent / "align" / "weights"
SOURCE = "PyPI mtcnn 1.0.0, mtcnn/assets/weights (Caffe originals of Zhang et al. 2016, MIT)"
TOLERANCE = 1e-4
INPUT_SHAPES = {
    "pnet": (1, None, None, 3),
    "rnet": (None, 24, 24, 3),
    "onet": (None, 48, 48, 3),
}


def read_source(net: str) -> list[Array]:
    """The package's arrays of one net, in layer order, float32."""
    with packages_of("detector-weights"):
        import joblib

    folder = importlib.resources.files("mtcnn.assets.weights")
    return [np.asarray(array, np.float32) for array in joblib.load(folder / f"{net}.lz4")]


def _dense(array: Array, side: int) -> Array:
    """Rows of a dense layer over [W,H,C] features, reordered for [H,W,C] features."""
    width_first = array.reshape(side, side, -1, array.shape[-1])
    return np.ascontiguousarray(width_first.transpose(1, 0, 2, 3)).reshape(array.shape)


def _fold_standardization(kernel: Array, bias: Array) -> tuple[Array, Array]:
    """Make a first convolution take pixels 0..255 where it took (pixel - 127.5) / 128."""
    wide = kernel.astype(np.float64)
    shift = wide.sum(axis=(0, 1, 2)) * (127.5 / 128)
    return (wide / 128).astype(np.float32), (bias - shift).astype(np.float32)


def _logit(array: Array) -> Array:
    """Two class columns (no face, face) as one: softmax's face score is sigmoid(difference)."""
    return array[..., 1:2] - array[..., 0:1]


def _prelu(features: Any, slope: Array) -> Any:
    import tensorflow as tf

    # This very form is what the converter recognises and fuses into one PRELU operation.
    return tf.nn.relu(features) + -slope * tf.nn.relu(-features)


def _convolve(features: Any, kernel: Array, bias: Array) -> Any:
    import tensorflow as tf

    return tf.nn.bias_add(tf.nn.conv2d(features, kernel, 1, "VALID"), bias)


def _stem(pixels: Any, layers: Layers) -> Any:
    kernel, bias = _fold_standardization(next(layers), next(layers))
    return _prelu(_convolve(pixels, kernel, bias), next(layers))


def _block(features: Any, layers: Layers) -> Any:
    features = _convolve(features, next(layers), next(layers))
    return _prelu(features, next(layers))


def _pool(features: Any, window: int, padding: str) -> Any:
    import tensorflow as tf

    return tf.nn.max_pool2d(features, window, 2, padding)


def _flat(features: Any, layers: Layers, side: int) -> Any:
    import tensorflow as tf

    weights, bias, slope = _dense(next(layers), side), next(layers), next(layers)
    features = tf.reshape(features, (-1, weights.shape[0]))
    return _prelu(tf.matmul(features, weights) + bias, slope)


def _heads(layers: Layers) -> tuple[Array, Array]:
    """All remaining (weights, bias) pairs side by side, the last pair as one logit."""
    rest = list(layers)
    weights, biases = rest[0::2], rest[1::2]
    weights[-1], biases[-1] = _logit(weights[-1]), _logit(biases[-1])
    return np.concatenate(weights, axis=-1), np.concatenate(biases, axis=-1)


def _pnet(pixels: Any, layers: Layers) -> Any:
    """float32[1,H,W,3] 0..255 -> float32[1,h,w,5]: box offsets (4), face logit."""
    features = _pool(_stem(pixels, layers), 2, "SAME")
    features = _block(_block(features, layers), layers)
    return _convolve(features, *_heads(layers))


def _rnet(pixels: Any, layers: Layers) -> Any:
    """float32[N,24,24,3] -> float32[N,5]: box offsets (4), face logit."""
    features = _pool(_stem(pixels, layers), 3, "SAME")
    features = _pool(_block(features, layers), 3, "VALID")
    features = _flat(_block(features, layers), layers, side=3)
    weights, bias = _heads(layers)
    return features @ weights + bias


def _onet(pixels: Any, layers: Layers) -> Any:
    """float32[N,48,48,3] -> float32[N,15]: box offsets (4), landmarks x (5), y (5), face logit."""
    features = _pool(_stem(pixels, layers), 3, "SAME")
    features = _pool(_block(features, layers), 3, "VALID")
    features = _pool(_block(features, layers), 2, "SAME")
    features = _flat(_block(features, layers), layers, side=3)
    weights, bias = _heads(layers)
    return features @ weights + bias


NETS: dict[str, Callable[[Any, Layers], Any]] = {"pnet": _pnet, "rnet": _rnet, "onet": _onet}


def build(net: str) -> bytes:
    """One net as a float32 LiteRT file."""
    import tensorflow as tf

    arrays = read_source(net)
    signature = [tf.TensorSpec(INPUT_SHAPES[net], tf.float32)]
    function = tf.function(lambda pixels: NETS[net](pixels, iter(arrays)), signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], function
    )
    return bytes(converter.convert())


def run_litert(content: bytes, pixels: Array) -> Array:
    """Outputs of a LiteRT file for one input."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=2)
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, pixels.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, pixels)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def run_published(net: str, pixels: Array) -> Array:
    """The package's own net on the same input, its outputs side by side as ours are."""
    from mtcnn.network import onet, pnet, rnet

    model = {"pnet": pnet.PNet, "rnet": rnet.RNet, "onet": onet.ONet}[net]()
    model.build()
    model.set_weights(read_source(net))
    *heads, scores = model(((pixels.astype(np.float64) - 127.5) / 128).astype(np.float32))
    odds = np.log(np.asarray(scores)[..., 1:] / np.asarray(scores)[..., :1])
    return np.concatenate([*(np.asarray(head) for head in heads), odds], axis=-1)


def sample(net: str) -> Array:
    """A fixed random input in pixel values; P-Net's sides are odd and even, as in a pyramid."""
    shape = tuple(
        side or fallback for side, fallback in zip(INPUT_SHAPES[net], (4, 61, 90, 3), strict=True)
    )
    return np.random.default_rng(20160826).integers(0, 256, shape).astype(np.float32)


def deviation(net: str, content: bytes) -> float:
    """Largest absolute difference of a LiteRT file from the package's own net."""
    pixels = sample(net)
    return float(np.abs(run_litert(content, pixels) - run_published(net, pixels)).max())


def describe(contents: dict[str, bytes]) -> dict[str, Any]:
    """What digests.json holds: file name, SHA-256 and size of each net."""
    files = {
        net: {
            "name": f"{net}.tflite",
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
        }
        for net, content in contents.items()
    }
    return {
        "source": SOURCE,
        "command": "python -m training.build_detector --write",
        "files": files,
    }


def write(contents: dict[str, bytes]) -> None:
    """Replace the files in align/weights."""
    for net, content in contents.items():
        (WEIGHTS / f"{net}.tflite").write_bytes(content)
    (WEIGHTS / "digests.json").write_text(json.dumps(describe(contents), indent=2) + "\n")


def compare(contents: dict[str, bytes]) -> bool:
    """Print one line a net; True where every kept file computes what the published net does."""
    sound = True
    for net, rebuilt in contents.items():
        kept = (WEIGHTS / f"{net}.tflite").read_bytes()
        difference = deviation(net, kept)
        same = "same bytes" if kept == rebuilt else "other bytes (another converter version?)"
        print(f"{net}: {len(kept):>9,} bytes, rebuild has {same}, off by {difference:.1e}")
        sound &= difference < TOLERANCE
    return sound


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="replace the files in align/weights")
    arguments = parser.parse_args()
    contents = {net: build(net) for net in NETS}
    if arguments.write:
        write(contents)
    return 0 if compare(contents) else 1


if __name__ == "__main__":
    sys.exit(main())
