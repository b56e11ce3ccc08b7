"""facenet-pytorch's MTCNN and Inception-ResNet-v1 on the CPU.

Its weights for the embedding come from a download that is not made here: the network runs on
random weights, which cost the same. torchvision has no build for a CPU-only torch everywhere; the
two functions that facenet-pytorch takes from it (`to_tensor`, `batched_nms`) are given below.
"""

import base64
import io
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from bench.speed.worker import BATCH


def _suppress(boxes: Any, scores: Any, threshold: float) -> Any:
    order, kept = scores.argsort(descending=True), []
    boxes = boxes[order]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    alive = torch.ones(len(boxes), dtype=torch.bool)
    for index in range(len(boxes)):
        if alive[index]:
            kept.append(index)
            low = torch.maximum(boxes[index, :2], boxes[:, :2])
            high = torch.minimum(boxes[index, 2:], boxes[:, 2:])
            overlap = (high - low).clamp(min=0).prod(dim=1)
            alive &= overlap / (area[index] + area - overlap) <= threshold
    return order[torch.tensor(kept, dtype=torch.long)]


def _batched_nms(boxes: Any, scores: Any, groups: Any, threshold: float) -> Any:
    offset = groups.to(boxes) * (boxes.max() + 1 if len(boxes) else 1)
    return _suppress(boxes + offset[:, None], scores, threshold)


def _to_tensor(image: Any) -> Any:
    return torch.from_numpy(np.array(image, np.uint8)).permute(2, 0, 1) / 255


def _stand_in_for_torchvision() -> None:
    functional = types.ModuleType("torchvision.transforms.functional")
    functional.to_tensor = _to_tensor  # type: ignore[attr-defined]
    transforms = types.ModuleType("torchvision.transforms")
    transforms.functional = functional  # type: ignore[attr-defined]
    boxes = types.ModuleType("torchvision.ops.boxes")
    boxes.batched_nms = _batched_nms  # type: ignore[attr-defined]
    for module in (functional, transforms, boxes):
        sys.modules[module.__name__] = module
    for name in ("torchvision", "torchvision.ops"):
        sys.modules[name] = types.ModuleType(name)


def load(pictures: Path, options: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Load both networks and return {scenario: callable}."""
    _stand_in_for_torchvision()
    from facenet_pytorch import MTCNN, InceptionResnetV1

    torch.set_num_threads(int(options["threads"]))
    torch.set_grad_enabled(False)
    one, every = MTCNN(image_size=160, margin=32), MTCNN(image_size=160, margin=32, keep_all=True)
    network = InceptionResnetV1(pretrained=None).eval()
    files = json.loads((pictures / "scenarios.json").read_text())
    data = {name: (pictures / name).read_bytes() for names in files.values() for name in names}
    body = json.dumps({"images": [base64.b64encode(data[n]).decode() for n in files["compare"]]})

    def opened(content: bytes) -> Any:
        return Image.open(io.BytesIO(content)).convert("RGB")

    def compare() -> str:
        images = [opened(base64.b64decode(text)) for text in json.loads(body)["images"]]
        first, second = network(torch.stack([one(image) for image in images]))
        return json.dumps({"distance": float((first - second).norm())})

    batch = torch.rand(BATCH, 3, 160, 160) * 2 - 1
    return {
        "compare": compare,
        "detect": lambda: len(every.detect(opened(data[files["detect"][0]]))[0]),
        "group": lambda: len(network(every(opened(data[files["group"][0]])))),
        "chips": lambda: len(network(batch)),
    }
