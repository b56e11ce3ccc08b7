"""Out of a graph that was trained, the part that serves: constants only, no training branches."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow.python.grappler import tf_optimizer

from tools.import_model.errors import ImportFailed
from tools.import_model.read_graph import SourceGraph

# What every imported graph calls its two ends.
INPUT, OUTPUT = "input", "embeddings"
# What every public FaceNet takes, for graphs that do not say.
DEFAULT_SIZE = 160

# In this order: predicates become constants, `loop` cuts branches that a constant predicate
# leaves dead, then what is left over is folded and pruned. No `remap`: it makes CPU-only ops.
SIMPLIFICATIONS = ["pruning", "constfold", "loop", "dependency", "constfold", "pruning"]

# Reference-typed ops of TensorFlow 1, which only make sense on variables, and what they do to
# constants. The assignments stand in training branches and die with them; until then they must
# be pure. freeze_graph.py of davidsandberg/facenet does the same.
PURE_OPS = {
    "RefSwitch": "Switch",
    "RefMerge": "Merge",
    "RefIdentity": "Identity",
    "AssignSub": "Sub",
    "AssignAdd": "Add",
}

# Notes of the graph's former life that no longer hold once it is cut.
STALE_NOTES = ("_class", "_output_shapes")


def freeze(source: SourceGraph, size: int | None, fixed: Mapping[str, Any]) -> Any:
    """A GraphDef of constants with `input:0` (float32 [N,S,S,3]) and `embeddings:0`.

    `size` None takes S from the graph. `fixed` gives further placeholders a value, by tensor name.
    The training conditionals are still there, their predicate being a constant: see `simplify`.
    Raises ImportFailed where a named tensor is missing, the second does not depend on the first,
    another placeholder is in the way, or one cannot have the value in `fixed`.
    """
    names = source.names
    nodes = {node.name: node for node in source.definition.node}
    for name in (names.images, names.embeddings):
        _require(nodes, name)
    side = size or _static_size(nodes[_node(names.images)])
    values = {names.phase_train: False, **fixed}
    constants = {_node(name): value for name, value in values.items() if _node(name) in nodes}
    cut = _cut(source.definition, _node(names.images), side, constants)
    needed = _reachable(cut, _node(names.embeddings))
    _require_input(needed, names.images, names.embeddings)
    if source.variables:
        _freeze_variables(needed, source.variables)
    _refuse_other_placeholders(needed, _node(names.images))
    return _rename_ends(needed, names.images, names.embeddings)


def simplify(definition: Any) -> Any:
    """The same function without training branches and with constants folded, by Grappler."""
    graph = _load(definition)
    meta = tf.compat.v1.train.export_meta_graph(graph_def=definition, graph=graph)
    ends = meta_graph_pb2.CollectionDef()
    ends.node_list.value.extend([f"{INPUT}:0", f"{OUTPUT}:0"])
    meta.collection_def["train_op"].CopyFrom(ends)
    config = config_pb2.ConfigProto()
    rewrite = config.graph_options.rewrite_options
    rewrite.optimizers.extend(SIMPLIFICATIONS)
    rewrite.min_graph_nodes = -1
    simple = tf_optimizer.OptimizeGraph(config, meta)
    left = sorted({node.op for node in simple.node} & {"Switch", "Merge", "If", "StatelessIf"})
    if left:
        raise ImportFailed(
            f"the graph still branches ({', '.join(left)}) with phase_train false; name the "
            "placeholder that it branches on with --fix NAME=VALUE"
        )
    return simple


def serialized(definition: Any) -> bytes:
    """The same bytes for the same graph: Grappler leaves its nodes in changing order."""
    ordered = type(definition)(versions=definition.versions, library=definition.library)
    ordered.node.extend(sorted(definition.node, key=lambda node: str(node.name)))
    return bytes(ordered.SerializeToString(deterministic=True))


def _load(definition: Any) -> Any:
    """The definition as a graph, which checks its ops, types and shapes."""
    with _new_graph() as graph:
        tf.import_graph_def(definition, name="")
    return graph


@contextmanager
def _new_graph() -> Iterator[Any]:
    """A graph to import into. Raises ImportFailed where TensorFlow refuses what is imported."""
    try:
        with tf.Graph().as_default() as graph:
            yield graph
    except (ValueError, tf.errors.OpError) as exc:
        raise ImportFailed(
            f"TensorFlow does not accept this graph, given float32 pictures: {exc}"
        ) from exc


def _node(tensor_name: str) -> str:
    return tensor_name.split(":")[0]


def _require(nodes: Mapping[str, Any], tensor_name: str) -> None:
    if _node(tensor_name) in nodes:
        return
    placeholders = [node.name for node in nodes.values() if node.op.startswith("Placeholder")]
    raise ImportFailed(
        f"the graph has no tensor {tensor_name}; its placeholders are {placeholders}. Name the "
        "right tensors with --input-tensor and --output-tensor"
    )


def _static_size(node: Any) -> int:
    """The side that the graph's own input declares, or the default."""
    declared = [node.attr["shape"].shape] if "shape" in node.attr else []
    if "_output_shapes" in node.attr:
        declared += node.attr["_output_shapes"].list.shape
    sides = [int(shape.dim[1].size) for shape in declared if len(shape.dim) == 4]
    return next((side for side in sides if side > 0), DEFAULT_SIZE)


def _cut(definition: Any, images: str, size: int, constants: Mapping[str, Any]) -> Any:
    """A copy where `images` is a plain placeholder and every node of `constants` a constant."""
    copy = type(definition)()
    copy.CopyFrom(definition)
    for node in copy.node:
        node.device = ""
        for note in STALE_NOTES:
            node.attr.pop(note, None)
        if node.name == images:
            _become_placeholder(node, size)
        elif node.name in constants:
            _fix(node, constants[node.name])
        elif node.op in PURE_OPS:
            node.op = PURE_OPS[node.op]
            node.attr.pop("use_locking", None)
        if node.op == "Merge":
            _drop_control_inputs(node)
    return copy


def _drop_control_inputs(node: Any) -> None:
    """They order side effects, which constants have none of, and they hold `loop` back."""
    data = [name for name in node.input if not name.startswith("^")]
    del node.input[:]
    node.input.extend(data)


def _placeholder_dtype(node: Any) -> Any:
    return tf.as_dtype(node.attr["dtype"].type)


def _become_placeholder(node: Any, size: int) -> None:
    name = node.name
    node.Clear()
    node.name, node.op = name, "Placeholder"
    node.attr["dtype"].type = tf.float32.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(tf.TensorShape([None, size, size, 3]).as_proto())


def _fix(node: Any, value: Any) -> None:
    """Gives a placeholder a value. Raises ImportFailed where it cannot have it."""
    try:
        _become_constant(node, value, _placeholder_dtype(node))
    except (TypeError, ValueError) as exc:
        raise ImportFailed(f"{node.name} cannot be fixed to {value!r}: {exc}") from exc


def _become_constant(node: Any, value: Any, dtype: Any) -> None:
    name = node.name
    node.Clear()
    node.name, node.op = name, "Const"
    node.attr["dtype"].type = dtype.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, dtype))


def _reachable(definition: Any, output: str) -> Any:
    """The part of the graph that `output` depends on, with its library and versions.

    Raises ImportFailed where a part of that is missing.
    """
    inputs = {
        node.name: [_node(entry.lstrip("^")) for entry in node.input] for node in definition.node
    }
    wanted, waiting = set(), [output]
    while waiting:
        name = waiting.pop()
        if name in wanted:
            continue
        lost = [entry for entry in inputs[name] if entry not in inputs]
        if lost:
            raise ImportFailed(f"the graph is damaged: {name} reads {lost[0]}, which is not in it")
        wanted.add(name)
        waiting.extend(inputs[name])
    part = type(definition)(versions=definition.versions, library=definition.library)
    part.node.extend(node for node in definition.node if node.name in wanted)
    return part


def _require_input(definition: Any, images: str, embeddings: str) -> None:
    if _node(images) not in {node.name for node in definition.node}:
        raise ImportFailed(
            f"{embeddings} does not depend on {images}; name the right tensors with "
            "--input-tensor and --output-tensor"
        )


def _freeze_variables(definition: Any, read: Callable[[str], Any]) -> None:
    """Variables of both kinds become constants, in place."""
    for node in definition.node:
        if node.op in ("Variable", "VariableV2"):
            _become_constant(node, read(node.name), _placeholder_dtype(node))
        elif node.op == "VarHandleOp":
            key = node.attr["shared_name"].s.decode() or node.name
            _become_constant(node, read(key), _placeholder_dtype(node))
        elif node.op == "ReadVariableOp":
            node.op = "Identity"
            node.attr["T"].type = node.attr.pop("dtype").type


def _refuse_other_placeholders(definition: Any, images: str) -> None:
    others = [
        f"{node.name}:0"
        for node in definition.node
        if node.op in ("Placeholder", "PlaceholderV2") and node.name != images
    ]
    if others:
        raise ImportFailed(
            f"the embedding also depends on {', '.join(others)}; give each a value with "
            f"--fix {others[0]}=VALUE"
        )


def _rename_ends(definition: Any, images: str, embeddings: str) -> Any:
    """The same graph under the names that the TensorFlow engine looks for."""
    if (images, embeddings) == (f"{INPUT}:0", f"{OUTPUT}:0"):
        return definition
    placeholder = next(node for node in definition.node if node.name == _node(images))
    shape = tf.TensorShape(placeholder.attr["shape"].shape)
    with _new_graph() as graph:
        inside = tf.compat.v1.placeholder(tf.float32, shape, name=INPUT)
        (result,) = tf.import_graph_def(
            definition, {images: inside}, return_elements=[embeddings], name="network"
        )
        tf.identity(result, name=OUTPUT)
    return _reachable(graph.as_graph_def(), OUTPUT)
