"""Makes the forms in which FaceNet is handed around, with everything that makes them awkward.

The graphs are built as davidsandberg/facenet's training script left them: an input queue behind
`input:0`, variables, a boolean `phase_train:0`, and batch norm that switches on it with TensorFlow
1 control flow, the moving averages being updated inside the training branch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tests.contract.facenet_files import tensorflow_name
from tools.import_model import inception_resnet_v1

v1 = tf.compat.v1
Network = Callable[[Any, inception_resnet_v1.Layers], Any]
DECAY = 0.995
TINY_SIZE = 32


class TrainingLayers(inception_resnet_v1.Layers):
    """The layers as a training script makes them."""

    def __init__(self, arrays: dict[str, NDArray[np.float32]], phase_train: Any) -> None:
        super().__init__(arrays)
        self.phase_train = phase_train
        self.variables: dict[str, Any] = {}

    def parameter(self, name: str) -> Any:
        shape = self.arrays[name].shape
        variable = v1.Variable(
            tf.zeros(shape),
            name=f"InceptionResnetV1/{tensorflow_name(name)}",
            use_resource=False,
        )
        self.variables[name] = variable
        return variable

    def normalise(self, net: Any, layer: str) -> Any:
        beta = self.parameter(f"{layer}_BatchNorm_beta")
        mean = self.parameter(f"{layer}_BatchNorm_moving_mean")
        variance = self.parameter(f"{layer}_BatchNorm_moving_variance")
        gamma = tf.ones_like(beta)

        def train() -> Any:
            out, batch_mean, batch_variance = v1.nn.fused_batch_norm(
                net, gamma, beta, epsilon=inception_resnet_v1.BATCH_NORM_EPSILON
            )
            updates = [
                v1.assign_sub(mean, (mean - batch_mean) * (1 - DECAY)),
                v1.assign_sub(variance, (variance - batch_variance) * (1 - DECAY)),
            ]
            with tf.control_dependencies(updates):
                return tf.identity(out)

        def infer() -> Any:
            return v1.nn.fused_batch_norm(
                net,
                gamma,
                beta,
                mean,
                variance,
                epsilon=inception_resnet_v1.BATCH_NORM_EPSILON,
                is_training=False,
            )[0]

        return v1.cond(self.phase_train, train, infer)

    def bottleneck(self, net: Any) -> Any:
        net = v1.cond(self.phase_train, lambda: tf.nn.dropout(net, 0.2), lambda: tf.identity(net))
        net = tf.matmul(net, self.parameter("Bottleneck_kernel"))
        channels = net.shape[1]
        net = self.normalise(tf.reshape(net, [-1, 1, 1, channels]), "Bottleneck")
        return tf.reshape(net, [-1, channels])


@dataclass(frozen=True)
class TrainingGraph:
    """A training graph with its weights in a live session."""

    session: Any
    layers: TrainingLayers
    images: Any
    embeddings: Any

    def embed(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """What TensorFlow itself says, with phase_train false."""
        feeds = {self.images: images, self.layers.phase_train: False}
        return np.asarray(self.session.run(self.embeddings, feeds))

    def write_frozen(self, path: Path) -> Path:
        """One `.pb`, made as facenet's freeze_graph.py does it, conditionals and all."""
        definition = self.session.graph.as_graph_def()
        for node in definition.node:
            if node.op == "RefSwitch":
                node.op = "Switch"
            elif node.op == "AssignSub":
                node.op = "Sub"
                node.attr.pop("use_locking", None)
        frozen = v1.graph_util.convert_variables_to_constants(
            self.session, definition, ["embeddings"]
        )
        path.write_bytes(frozen.SerializeToString())
        return path

    def write_checkpoint(self, folder: Path, name: str) -> Path:
        """`model-NAME.meta` and `model-NAME.ckpt-275.*`, as facenet's training leaves them."""
        folder.mkdir(parents=True, exist_ok=True)
        with self.session.graph.as_default():
            saver = v1.train.Saver()
            saver.export_meta_graph(str(folder / f"model-{name}.meta"))
            prefix = str(folder / f"model-{name}.ckpt")
            saver.save(self.session, prefix, global_step=275, write_meta_graph=False)
        (folder / "checkpoint").unlink()
        return folder

    def write_saved_model(self, folder: Path) -> Path:
        """A TensorFlow 1 SavedModel."""
        with self.session.graph.as_default():
            builder = v1.saved_model.Builder(str(folder))
            builder.add_meta_graph_and_variables(self.session, ["serve"])
            builder.save()
        return folder


@contextmanager
def training_graph(
    arrays: dict[str, NDArray[np.float32]], network: Network, size: int
) -> Iterator[TrainingGraph]:
    """Builds the training form of a network that `network(images, layers)` describes."""
    v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default(), v1.Session() as session:
            images = tf.identity(_queued_images(size), name="input")
            phase_train = v1.placeholder(tf.bool, name="phase_train")
            layers = TrainingLayers(arrays, phase_train)
            embeddings = network(images, layers)
            for name, variable in layers.variables.items():
                initial = variable.initializer.inputs[1]
                session.run(variable.initializer, {initial: arrays[name]})
            yield TrainingGraph(session, layers, images, embeddings)
    finally:
        v1.enable_control_flow_v2()


def _queued_images(size: int) -> Any:
    queue = tf.queue.FIFOQueue(100, [tf.float32], [[size, size, 3]], name="batch_join/fifo_queue")
    batch_size = v1.placeholder(tf.int32, name="batch_size")
    return tf.identity(queue.dequeue_many(batch_size), name="image_batch")


def tiny_arrays(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Random weights for `tiny_network`."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, NDArray[np.float32]] = {}
    for layer, shape in {"First": (3, 3, 3, 8), "Second": (3, 3, 8, 16)}.items():
        arrays[f"{layer}_kernel"] = rng.normal(0, 0.3, shape).astype(np.float32)
        arrays |= _batch_norm_arrays(rng, layer, shape[-1])
    arrays["Bottleneck_kernel"] = rng.normal(0, 0.3, (16, 12)).astype(np.float32)
    return arrays | _batch_norm_arrays(rng, "Bottleneck", 12)


def _batch_norm_arrays(
    rng: np.random.Generator, layer: str, channels: int
) -> dict[str, NDArray[np.float32]]:
    return {
        f"{layer}_BatchNorm_beta": rng.normal(0, 0.5, channels).astype(np.float32),
        f"{layer}_BatchNorm_moving_mean": rng.normal(0, 0.5, channels).astype(np.float32),
        f"{layer}_BatchNorm_moving_variance": rng.uniform(0.5, 2, channels).astype(np.float32),
    }


def tiny_network(images: Any, layers: inception_resnet_v1.Layers) -> Any:
    """FaceNet's form in three layers."""
    net = layers.conv(images, "First", 2, "VALID")
    net = layers.conv(net, "Second", 2)
    net = layers.bottleneck(tf.reduce_mean(net, [1, 2]))
    return tf.nn.l2_normalize(net, 1, epsilon=1e-10, name="embeddings")


class TinyModule(tf.Module):
    """The tiny network as TensorFlow 2 saves it, with and without a training flag."""

    def __init__(self) -> None:
        super().__init__()
        self.parameters = {name: tf.Variable(array) for name, array in tiny_arrays().items()}

    @tf.function(input_signature=[tf.TensorSpec([None, TINY_SIZE, TINY_SIZE, 3], tf.float32)])
    def serve(self, pictures: Any) -> dict[str, Any]:
        return {"vectors": tiny_network(pictures, inception_resnet_v1.Layers(self.parameters))}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, TINY_SIZE, TINY_SIZE, 3], tf.float32),
            tf.TensorSpec([], tf.bool),
        ]
    )
    def serve_phased(self, pictures: Any, training: Any) -> dict[str, Any]:
        noisy = tf.cond(
            training,
            lambda: pictures + tf.random.normal(tf.shape(pictures)),
            lambda: pictures * self.parameters["Bottleneck_BatchNorm_beta"][0] ** 0,
        )
        return self.serve(noisy)


def write_functions(folder: Path, *, phased: bool) -> Path:
    """A TensorFlow 2 SavedModel of the tiny network; its tensors have names of their own."""
    module = TinyModule()
    chosen = module.serve_phased if phased else module.serve
    tf.saved_model.save(module, str(folder), signatures=chosen)
    return folder
