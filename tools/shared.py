"""Location of faces and weights that cannot be in the repository (size, licence)."""

import os
from pathlib import Path

BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared"
SHARED = Path(os.environ.get("FACENET_SHARED", BESIDE_THE_CHECKOUT))
