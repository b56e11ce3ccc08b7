"""Benchmarks, each of which prints its table. `make bench BENCH=NAME` installs what NAME needs."""

import importlib
from typing import Any


def need(package: str, bench: str) -> Any:
    """The package, or an exit that says in one line how to get it."""
    try:
        return importlib.import_module(package)
    except ImportError:
        raise SystemExit(f"{package} is missing: `make bench BENCH={bench}` installs it") from None
