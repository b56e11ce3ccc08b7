"""Mounted into the container by the fault tests: the function with ways to break it on purpose."""

import os
import time
from pathlib import Path
from typing import Any

# A file, because a broken start has to be remembered by the start after it; in the one folder of
# the container that the function may write to.
FIRST_START = Path("/tmp/first-start-failed")

if os.environ.get("FAULTY_START") and not FIRST_START.exists():
    FIRST_START.touch()
    raise RuntimeError("this start fails on purpose")

from handler.app import lambda_handler as healthy  # noqa: E402


def lambda_handler(event: Any, context: Any) -> Any:
    """Breaks as `fault` says, and answers as the function does where it says nothing."""
    fault = event.pop("fault", None) if isinstance(event, dict) else None
    if fault == "sleep":
        time.sleep(3600)
    if fault == "memory":
        hoard = []
        while True:
            hoard.append(bytearray(os.urandom(1 << 20)) * 64)
    return healthy(event, context)
