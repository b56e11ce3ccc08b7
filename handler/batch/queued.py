"""Requests that come through a queue: each is answered in an object of the output prefix."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handler.batch import questions
from handler.batch.deadline import Deadline
from handler.batch.output import Output
from handler.batch.types import ObjectStore
from handler.errors import innermost_frames, render
from handler.faces.answers import encode
from handler.faces.service import Service
from handler.invocation import Invocation, as_api_error
from handler.observability import log_invocation
from handler.storage.faults import TransientFailure


@dataclass(frozen=True)
class QueuedRequests:
    """Answers requests one by one and writes each answer under its message's id."""

    service: Service
    store: ObjectStore
    output: Output
    deadline: Deadline
    invocation: Invocation

    def answer(self, identifier: str, request: Mapping[str, Any]) -> bool:
        """Answers one request, writes the answer; False if its message has to come again."""
        if self.deadline.passes_within(0):
            return False
        part = self.invocation.begin_part(self.deadline.reserve_ms, request_id=identifier)
        part.note(source="sqs", status=200, request_id=identifier)
        document = self._document(request, part)
        written = document is not None and self._write(document, part)
        if written:
            part.run_deferred()
        log_invocation(part.final_facts(), self.service.settings.metrics_namespace)
        return written

    def _document(self, request: Mapping[str, Any], part: Invocation) -> bytes | None:
        """The answer of a direct invocation; None if a retry may succeed."""
        try:
            return encode(questions.answer(request, self.service, part))
        except Exception as failure:
            error = as_api_error(failure, part)
            return None if error.can_wait else encode(render(error, part.request_id))

    def _write(self, document: bytes, part: Invocation) -> bool:
        """Writes an answer unless it exists. A failure must not stop the other messages."""
        try:
            self.store.put_new(self.output.request_key(part.request_id), document)
        except Exception as failure:
            code = failure.code if isinstance(failure, TransientFailure) else "InternalError"
            kind = type(failure).__name__
            part.note(status=503, code=code, error_type=kind, where=innermost_frames(failure))
            return False
        return True
