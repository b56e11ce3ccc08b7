"""What tests do where something that they need is missing."""

import os
from typing import NoReturn

import pytest


def not_here(reason: str) -> NoReturn:
    """Skips; fails in continuous integration, which installs all that is needed."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
