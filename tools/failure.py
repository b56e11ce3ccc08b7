"""How a command says that it failed."""

import sys


def report_failure(why: object, status: int = 1) -> int:
    """Prints why to standard error; returns the exit status."""
    print(f"failed: {why}", file=sys.stderr)
    return status
