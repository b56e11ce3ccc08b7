"""The three nets on LiteRT: files checked by digest, raw pixel values in, one array out.

An interpreter is not thread-safe and keeps memory for one input shape; changing the shape costs
more than a small call. So each class here keeps the shapes it needs warm, a bounded number.
"""

import hashlib
import json
import math
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from align.errors import WeightsDamaged
from align.types import Check, Floats, Pixels, no_check

WEIGHTS = Path(__file__).parent / "weights"
DIGESTS = WEIGHTS / "digests.json"
OUTPUTS = {"pnet": 5, "rnet": 5, "onet": 15}

Shape = tuple[int, ...]

# Of all shapes that stay warm together: an interpreter of P-Net takes some 210 bytes for each.
WARM_PIXELS = 3 << 18


@cache
def read_weights(net: str) -> bytes:
    """The LiteRT file of "pnet", "rnet" or "onet", refused unless its SHA-256 is the listed one.

    Raises:
        WeightsDamaged: missing, or its digest differs.
    """
    try:
        entry = json.loads(DIGESTS.read_text())["files"][net]
    except OSError as error:
        raise WeightsDamaged(f"{DIGESTS.name} cannot be read") from error
    try:
        content: bytes = (WEIGHTS / entry["name"]).read_bytes()
    except OSError as error:
        raise WeightsDamaged(f"{entry['name']} cannot be read") from error
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise WeightsDamaged(f"{entry['name']} does not have the listed SHA-256")
    return content


class Network:
    """One net, prepared for inputs of one shape [N,H,W,3]."""

    def __init__(self, net: str, shape: Shape, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter: Any = Interpreter(model_content=read_weights(net), num_threads=threads)
        self._input: int = self._interpreter.get_input_details()[0]["index"]
        self._output: int = self._interpreter.get_output_details()[0]["index"]
        self.resize(shape)

    def resize(self, shape: Shape) -> None:
        """Prepare for inputs of another shape [N,H,W,3]."""
        self._interpreter.resize_tensor_input(self._input, shape)
        self._interpreter.allocate_tensors()

    def __call__(self, pixels: Any) -> Floats:
        """Run on pixel values 0..255 of any number type; a float32 array of its own.

        Fewer pictures than prepared for are fine: leftover earlier ones are run too and their
        results dropped.
        """
        self._interpreter.tensor(self._input)()[: len(pixels)] = pixels
        self._interpreter.invoke()
        output: Floats = self._interpreter.get_tensor(self._output)
        return output[: len(pixels)]


class ShapedNetwork:
    """One net for inputs of any shape; the most recently used shapes stay warm.

    At most `warm` shapes, and fewer where they have more than WARM_PIXELS together.
    """

    def __init__(self, net: str, threads: int, warm: int) -> None:
        read_weights(net)  # so that damage is reported when the detector is loaded
        self._net, self._threads, self._warm = net, threads, warm
        self._networks: OrderedDict[Shape, Network] = OrderedDict()

    def __call__(self, pixels: Any) -> Floats:
        """Run on [N,H,W,3] pixel values 0..255."""
        shape = pixels.shape
        network = self._networks.pop(shape, None) or self._prepare(shape)
        self._networks[shape] = network
        return network(pixels)

    def _prepare(self, shape: Shape) -> Network:
        spare: Network | None = None
        while self._networks and not self._has_room_for(shape):
            _, spare = self._networks.popitem(last=False)
        if spare is None:
            return Network(self._net, shape, self._threads)
        spare.resize(shape)
        return spare

    def _has_room_for(self, shape: Shape) -> bool:
        pixels = sum(math.prod(each[:3]) for each in (*self._networks, shape))
        return len(self._networks) < self._warm and pixels <= WARM_PIXELS


class BatchedNetwork:
    """One net for any number of crops, run in batches of a few fixed sizes."""

    def __init__(self, net: str, side: int, threads: int, batches: tuple[int, ...]) -> None:
        self.side = side
        self._width = OUTPUTS[net]
        self._networks = {
            batch: Network(net, (batch, side, side, 3), threads)
            for batch in sorted(batches, reverse=True)
        }

    def __call__(self, crops: Floats | Pixels, check: Check = no_check) -> Floats:
        """Run on [N,side,side,3] pixel values 0..255; float32[N,outputs].

        `check` is called before each batch.
        """
        output = np.empty((len(crops), self._width), np.float32)
        start = 0
        while start < len(crops):
            check()
            batch = self._batch(len(crops) - start)
            part = crops[start : start + batch]
            output[start : start + batch] = self._networks[batch](part)
            start += batch
        return output

    def _batch(self, left: int) -> int:
        """The largest batch that `left` crops fill; the smallest where they fill none."""
        return next((batch for batch in self._networks if batch <= left), min(self._networks))
