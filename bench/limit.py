"""`python -m bench.limit --real FOLDER`: how near the processor's limit embeddings run, per core.

Embeddings of aligned chips in batches of 32, one thread each: TensorFlow with the frozen graph, and
our engine with the int8 and float32 files. Processor time is counted, which other work on the
machine does not lengthen. Then every convolution of a file is run by itself: the fastest shows what
this processor does in that arithmetic when nothing else holds it up, and what the whole network
would take at that speed is a limit that no arrangement of these multiplications gets under.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.speed.report import machine_and_date

BATCH, SIZE = 32, 160
LAYER_RUNS = 30


@dataclass(frozen=True)
class Layer:
    """One convolution: multiply-adds for one picture, and a .tflite that holds nothing else."""

    macs: int
    content: bytes


def convolutions(path: Path) -> list[Layer]:
    """The distinct convolutions of a .tflite file and, for each repeat, the layer again."""
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    operators = model.subgraphs[0].operators
    made: dict[tuple[Any, ...], Layer] = {}
    layers = []
    for index, operator in enumerate(operators):
        if codes[operator.opcodeIndex] == schema.BuiltinOperator.CONV_2D:
            shapes = _shapes(model, operator)
            if shapes not in made:
                made[shapes] = _alone(schema.ModelT.InitFromPackedBuf(content, 0), index)
            layers.append(made[shapes])
    return layers


def _shapes(model: Any, operator: Any) -> tuple[Any, ...]:
    tensors = model.subgraphs[0].tensors
    indices = [*operator.inputs, *operator.outputs]
    return tuple(tuple(map(int, tensors[index].shape)) for index in indices)


def _alone(model: Any, index: int) -> Layer:
    """The model cut down to one operator, its weights as they are."""
    import flatbuffers

    graph = model.subgraphs[0]
    operator = graph.operators[index]
    shapes = _shapes(model, operator)
    graph.operators, graph.inputs, graph.outputs = [operator], operator.inputs[:1], operator.outputs
    model.signatureDefs = model.metadata = None
    needed = {graph.tensors[tensor].buffer for tensor in operator.inputs}
    for number, buffer in enumerate(model.buffers):
        if number not in needed:
            buffer.data = None
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    rows, columns = shapes[-1][1:3]
    return Layer(rows * columns * int(np.prod(shapes[1])), bytes(builder.Output()))


def _layer_seconds(layer: Layer) -> float:
    """Best processor time of the layer on random positive numbers."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter: Any = Interpreter(model_content=layer.content, num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    values = np.random.default_rng(0).random(entry["shape"], np.float32)
    interpreter.set_tensor(entry["index"], values)
    return min(_processor_seconds(interpreter.invoke) for _ in range(LAYER_RUNS))


def _processor_seconds(function: Callable[[], object]) -> float:
    begin = time.process_time()
    function()
    return time.process_time() - begin


def _tensorflow(graph_file: Path, chips: np.ndarray) -> Callable[[], object]:
    import tensorflow as tf

    tf1 = tf.compat.v1
    definition = tf1.GraphDef.FromString(graph_file.read_bytes())
    with tf.Graph().as_default() as graph:
        tf1.import_graph_def(definition, name="")
    one = tf1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    session = tf1.Session(graph=graph, config=one)
    return lambda: session.run("embeddings:0", {"input:0": chips})


def _row(name: str, ms: float, macs: int, base: float) -> str:
    return f"| {name} | {ms:.1f} | {macs / ms / 1e6:.0f} | {base / ms:.2f}x |"


def main() -> int:
    from model_layer.engine_litert import LiteRTEngine

    parser = argparse.ArgumentParser(prog="python -m bench.limit", description=__doc__)
    parser.add_argument("--real", type=Path, required=True, help="an imported 20180402-114759")
    parser.add_argument("--rounds", type=int, default=9)
    folder, rounds = parser.parse_args().real, parser.parse_args().rounds
    chips = np.random.default_rng(3).uniform(-1, 1, (BATCH, SIZE, SIZE, 3)).astype(np.float32)
    files = {kind: folder / f"{kind}.tflite" for kind in ("int8", "float32")}
    engines = {kind: LiteRTEngine(path) for kind, path in files.items()}
    runs: dict[str, Callable[[], object]] = {
        "TensorFlow": _tensorflow(next(folder.glob("*.pb")), chips)
    }
    runs |= {f"ours, {kind}": lambda e=engine: e.embed(chips) for kind, engine in engines.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            taken = _processor_seconds(run) * 1000 / BATCH
            if number:
                times[name].append(taken)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    layers = {kind: convolutions(path) for kind, path in files.items()}
    macs, base = sum(layer.macs for layer in layers["int8"]), medians["TensorFlow"]
    print("| | ms a chip | GMAC/s | against TensorFlow |\n|---|---|---|---|")
    for name, ms in medians.items():
        print(_row(name, ms, macs, base))
    for kind, all_layers in layers.items():
        fastest = max(layer.macs / _layer_seconds(layer) for layer in set(all_layers))
        print(
            _row(f"all at the speed of the fastest {kind} layer", macs / fastest * 1e3, macs, base)
        )
    print(f"\n{macs / 1e9:.2f} GMAC a chip; processor time on one thread, batches of {BATCH}.")
    print(f"{machine_and_date()}, `python -m bench.limit`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
