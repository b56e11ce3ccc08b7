"""A batch made of the loaded service, for one invocation."""

from collections.abc import Sequence
from functools import partial

import msgspec

from handler.batch.deadline import Deadline
from handler.batch.output import Output
from handler.batch.queued import QueuedRequests
from handler.batch.run import Batch, BatchLimits, raise_if_failed
from handler.batch.types import Follows, Outcome
from handler.errors import ApiError
from handler.faces.service import AnyService, Service, ready
from handler.invocation import Invocation
from handler.storage import clients
from handler.storage.store import S3Store
from handler.storage.types import ObjectReference


def open_batch(service: AnyService, invocation: Invocation) -> Batch:
    """What embeds objects and writes their results while `invocation` leaves time.

    Raises:
        ApiError: ModelUnavailable where the function could not start, InternalError where
            FACENET_OUTPUT is not set. The event then stays with whoever sent it.
    """
    working = ready(service)
    settings = working.settings
    if settings.output is None:
        raise ApiError("InternalError", "FACENET_OUTPUT is not set; batches need it.")
    image_bytes = settings.limits.image_bytes
    location = settings.output
    deadline = Deadline.of(invocation)
    finding = invocation.begin_part(deadline.reserve_ms)
    # Made here and not in a thread: making clients is not thread-safe, using them is.
    store = S3Store(
        clients.client(),
        location.bucket,
        image_bytes,
        settings.bucket_owner,
        settings.output_owner or invocation.account,
    )
    return Batch(
        store=store,
        embed_pictures=partial(working.embed_pictures, invocation=invocation, finding=finding),
        output=Output(location.bucket, location.prefix, msgspec.to_builtins(working.describe())),
        buckets=settings.input_buckets,
        deadline=deadline,
        request_id=invocation.request_id,
        limits=BatchLimits(image_bytes=image_bytes),
        follower=_open_follower(working, store),
        namespace=settings.metrics_namespace,
    )


def _open_follower(service: Service, store: S3Store) -> Follows | None:
    """What keeps FACENET_BUCKET_COLLECTION in step; only then are collections imported."""
    if service.settings.bucket_collection is None:
        return None
    from handler.search.follow import open_follower

    return open_follower(service, store.identity)


def drop_ignored_deletions(
    references: Sequence[ObjectReference], service: AnyService
) -> list[ObjectReference]:
    """The references, without deletions unless a collection follows the bucket."""
    return [
        reference
        for reference in references
        if not reference.removed or service.settings.bucket_collection
    ]


def _forget_expired(
    references: Sequence[ObjectReference], service: AnyService
) -> list[ObjectReference]:
    """Removes expired faces from the index; returns the other references."""
    if not any(reference.removed for reference in references):
        return list(references)
    location = service.settings.collections or ""
    truth = location.removeprefix("s3://").partition("/")[0]
    expired = [each for each in references if each.removed and each.bucket == truth]
    for reference in expired:
        from handler.search.follow import forget

        forget(service.settings, reference.key)
    return [reference for reference in references if reference not in expired]


def open_requests(batch: Batch, service: Service, invocation: Invocation) -> QueuedRequests:
    """What answers the queue's requests in the same time and to the same output as `batch`."""
    return QueuedRequests(service, batch.store, batch.output, batch.deadline, invocation)


def embed_all(
    references: Sequence[ObjectReference], service: AnyService, invocation: Invocation
) -> list[Outcome]:
    """Embed objects for a source that can only retry all of them; no objects need no output.

    Raises:
        TransientFailure: At least one may succeed later; what is written stays.
        ApiError: As `open_batch`.
    """
    references = drop_ignored_deletions(_forget_expired(references, service), service)
    if not references:
        return []
    outcomes = open_batch(service, invocation).run(references)
    raise_if_failed(outcomes)
    return outcomes
