"""Where faces and weights lie that are too large or not free to be in the repository."""

import os
from pathlib import Path

BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared"
SHARED = Path(os.environ.get("FACENET_SHARED", BESIDE_THE_CHECKOUT))
