"""Answers event files with the function in this process; one line of JSON on standard output."""

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


@dataclass(frozen=True)
class Context:
    """What Lambda passes beside the event."""

    aws_request_id: str = "11111111-2222-3333-4444-555555555555"
    function_name: str = "function"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:function"
    deadline: float = field(default_factory=lambda: time.monotonic() + 600)  # QEMU is slow

    def get_remaining_time_in_millis(self) -> int:
        return int((self.deadline - time.monotonic()) * 1000)


def respond(name: str) -> Any:
    """The answer, or what awslambdaric makes of an exception."""
    from handler.app import lambda_handler

    event = json.loads((ROOT / "events" / f"{name}.json").read_text())
    try:
        return lambda_handler(event, Context())
    except Exception as failure:  # as awslambdaric does
        return {"errorType": type(failure).__name__, "errorMessage": str(failure)}


if __name__ == "__main__":
    answers = {name: respond(name) for name in sys.argv[1:]}
    print()
    print(json.dumps(answers))
