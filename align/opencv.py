"""The one place that imports OpenCV, with its own limits set first.

`decode` refuses large pictures by their header. These variables are a second defence: OpenCV reads
them once, at import, and its defaults allow 2^30 pixels. Values already in the environment take
precedence.
"""

import os
from typing import Any

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 28))
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_WIDTH", str(1 << 16))
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_HEIGHT", str(1 << 16))
# Its messages about damaged files go to standard error, unstructured; our errors already say the
# same. The libraries inside it print without asking it: align/silence.py.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

import cv2 as _cv2

# Its stubs have no array types ("MatLike"); callers state their types.
cv2: Any = _cv2

__all__ = ["cv2"]
