"""A batch made of the loaded service, for one invocation."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from handler import objects
from handler.batch import Batch, BatchLimits, raise_if_failed
from handler.batch_deadline import Deadline
from handler.batch_output import Output
from handler.batch_types import ObjectReference, Outcome
from handler.call import Call
from handler.cold_start import AnyService, ready
from handler.errors import ApiError


def open_batch(service: AnyService, context: Any) -> Batch:
    """What embeds objects and writes their results while `context` leaves time.

    Raises:
        ApiError: ModelUnavailable where the function could not start, InternalError where
            FACENET_OUTPUT is not set. The event then stays with whoever sent it.
    """
    # boto3 makes up half of a cold start; only batches need it.
    from handler.batch_store import S3Store

    working = ready(service)
    settings = working.settings
    if settings.output is None:
        raise ApiError("InternalError", "FACENET_OUTPUT is not set: batches have no output.")
    image_bytes = settings.limits.image_bytes
    location = settings.output
    deadline = Deadline.of(context)
    call = Call(context)
    finding = Call(context, kept_ms=deadline.reserve * 1000)
    return Batch(
        # Made here and not in a thread: making clients is not thread-safe, using them is.
        store=S3Store(objects.client(), location.bucket, image_bytes, settings.bucket_owner),
        embed_pictures=partial(working.embed_pictures, call=call, finding=finding),
        output=Output(location.bucket, location.prefix, msgspec.to_builtins(working.describe())),
        buckets=settings.input_buckets,
        deadline=deadline,
        request_id=call.request_id,
        limits=BatchLimits(image_bytes=image_bytes),
    )


def embed_all(
    references: Sequence[ObjectReference], service: AnyService, context: Any
) -> list[Outcome]:
    """Embed objects for a source that can only retry all of them; no objects need no output.

    Raises:
        TransientFailure: At least one may succeed later; what is written stays.
        ApiError: As `open_batch`.
    """
    if not references:
        return []
    outcomes = open_batch(service, context).run(references)
    raise_if_failed(outcomes)
    return outcomes
