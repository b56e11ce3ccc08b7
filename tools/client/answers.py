"""The service's answers, and its errors as exceptions."""

import json
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(eq=False)
class CallError(RuntimeError):
    """An answer that is an error: the API's own code, message and details."""

    status: int
    code: str
    message: str
    retryable: bool = False
    details: Json = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def answer_of(status: int, content: bytes) -> Json:
    """The answer's JSON object.

    Raises CallError for an error, the API's own or anyone else's, and for what is no such object.
    """
    code, retryable = f"HTTP{status}", status >= 500
    text = content.decode(errors="replace")[:200]
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        message = text if status >= 400 else f"expected a JSON object, got {text!r}"
        raise CallError(status, code, message, retryable)
    error = document.get("error")
    if isinstance(error, dict):
        raise CallError(
            status,
            error.get("code", code),
            error.get("message", text),
            error.get("retryable", retryable),
            error.get("details") or {},
        )
    if status >= 400:
        said = document.get("message") or document.get("Message") or document.get("errorMessage")
        raise CallError(status, code, str(said or text), retryable)
    return document
