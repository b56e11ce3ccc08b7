"""Keras' HDF5 files: arrays by layer, of weights alone or of a whole model.

Only arrays are read: a model's own code (its Lambda layers hold marshalled Python) stays unread.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tools.import_model.errors import ImportFailed
from tools.import_model.facenet_names import Array


def read_keras(path: Path) -> dict[str, Array]:
    """`<layer>_<array>` -> float32, such as `Conv2d_1a_3x3_kernel`.

    Raises ImportFailed for a damaged file, or one that is not Keras'.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            root = file.get("model_weights", file)
            arrays: dict[str, Array] = {}
            root.visititems(lambda name, item: _keep(arrays, name, item))
    except (OSError, RuntimeError, ValueError, KeyError) as exc:
        raise ImportFailed(
            f"{path.name} is damaged or no HDF5 file ({exc}); download it again"
        ) from exc
    if not arrays:
        raise ImportFailed(f"{path.name} holds no arrays; save the model's weights into it")
    return arrays


def _keep(arrays: dict[str, Array], name: str, item: Any) -> None:
    """The first part of a path names the layer, the last the array."""
    import h5py

    if not isinstance(item, h5py.Dataset):
        return
    if item.external or item.is_virtual:
        raise ImportFailed("the HDF5 file takes arrays from other files, which Keras never writes")
    if item.dtype.kind != "f":
        return
    if item.id.get_storage_size() < item.nbytes:
        raise ImportFailed(
            f"the array {name} is compressed or empty, which Keras' own are not; save the weights "
            "with Keras again"
        )
    layer, _, rest = name.partition("/")
    arrays[f"{layer}_{rest.rpartition('/')[2].partition(':')[0]}"] = np.asarray(item, np.float32)
