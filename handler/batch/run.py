"""Many objects at once: downloads run ahead of inference, and each object gets one result.

An event may be delivered twice, even concurrently, or stop halfway. No state is kept: the name of a
result is made from what was read, and a result is only written where none is yet. So a repeated
delivery repeats the work and changes nothing. docs/batch.md has the reasoning.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

from handler import observability
from handler.batch.deadline import Deadline
from handler.batch.output import Output
from handler.batch.types import Answer, Embed, Follows, ObjectStore, Outcome, Status
from handler.errors import ABOUT_THE_PICTURE, ApiError, innermost_frames, picture_too_large
from handler.storage.faults import ObjectArchived, ObjectGone, TransientFailure
from handler.storage.types import ObjectReference, StoredObject

OUT_OF_TIME = TransientFailure("Timeout", "the invocation ran out of time before this object")


@dataclass(frozen=True)
class BatchLimits:
    """What bounds the memory and the threads of a batch.

    At most `read_ahead` pictures are being read or wait, besides the `group` in inference.
    """

    threads: int = 8
    read_ahead: int = 8
    group: int = 8
    image_bytes: int = 20 * 1024 * 1024


@dataclass(frozen=True)
class Batch:
    """Objects in, one outcome for each; results go to `output` through `store`.

    Args:
        embed_pictures: Pictures in, faces out.
        buckets: The buckets that may be read.
        deadline: When this invocation stops taking up work.
        request_id: The invocation's, for the log.
        follower: Keeps a collection in step with the bucket, if there is one.
        namespace: Of CloudWatch's metrics; without one there are none.
    """

    store: ObjectStore
    embed_pictures: Embed
    output: Output
    buckets: frozenset[str]
    deadline: Deadline
    request_id: str
    limits: BatchLimits = field(default_factory=BatchLimits)
    follower: Follows | None = None
    namespace: str | None = None

    def run(self, references: Sequence[ObjectReference]) -> list[Outcome]:
        """Embed every object; the outcomes are in the order of `references`.

        It raises for no object: what could not be done in time, or failed for a reason that may
        pass, ends as FAILED.
        """
        pool = ThreadPoolExecutor(self.limits.threads, thread_name_prefix="batch")
        try:
            outcomes = _Run(self, pool).outcomes(list(dict.fromkeys(references)))
        finally:
            # Threads that still wait for the network end by their own timeout; do not wait for
            # them.
            pool.shutdown(wait=False, cancel_futures=True)
        self.log_outcomes(outcomes.values())
        return [outcomes[reference] for reference in references]

    def fetch(self, reference: ObjectReference) -> StoredObject | Outcome:
        """The object, or its outcome if there is nothing to embed."""
        if reference.removed:
            return self.remove(reference)
        if not reference.can_exist:
            return skipped_outcome(reference, "ObjectNotFound", "not a valid S3 key")
        if self.output.holds(reference):
            return skipped_outcome(reference, "OutputObject", "this is a result, not a picture")
        if reference.bucket not in self.buckets:
            message = "FACENET_INPUT_BUCKETS does not include this bucket"
            return failed_outcome(reference, TransientFailure("BucketNotAllowed", message))
        try:
            return self.store.fetch(reference)
        except ObjectGone:
            return skipped_outcome(reference, "ObjectNotFound", "deleted before it was read")
        except ObjectArchived:
            return skipped_outcome(
                reference, "ObjectArchived", "archived: restore it, then embed it"
            )
        except Exception as failure:
            return self.report_failure(reference, failure)

    def embed(self, group: Sequence[StoredObject]) -> list[Answer]:
        """The answer for each object. If the group fails, its objects are embedded one by one."""
        try:
            return list(self.embed_pictures([picture.data for picture in group]))
        except Exception as failure:
            self.log_failure(failure)
            if len(group) > 1:
                return [answer for picture in group for answer in self.embed([picture])]
            return [
                failure.without_traceback()
                if isinstance(failure, ApiError)
                else ApiError.internal()
            ]

    def write(self, reference: ObjectReference, picture: StoredObject, answer: Answer) -> Outcome:
        """Writes the result of an object unless it exists; returns the outcome."""
        try:
            key = self.output.key(reference, picture)
            self.store.put_new(key, self.output.document(reference, picture, answer))
            if self.follower is not None:
                self.follower.follow(reference, picture, answer)
        except Exception as failure:
            return self.report_failure(reference, failure)
        uri = self.output.uri(key)
        if isinstance(answer, ApiError):
            return Outcome(reference, Status.REJECTED, uri, answer.code, answer.message)
        return Outcome(reference, Status.WRITTEN, uri)

    def remove(self, reference: ObjectReference) -> Outcome:
        """Removes a deleted object's faces from the collection; returns the outcome."""
        if self.follower is None or not reference.can_exist:
            return skipped_outcome(reference, "ObjectRemoved", "no collection follows the bucket")
        try:
            self.follower.remove(reference)
        except Exception as failure:
            return self.report_failure(reference, failure)
        return skipped_outcome(
            reference, "ObjectRemoved", "its faces were removed from the collection"
        )

    def report_failure(self, reference: ObjectReference, failure: Exception) -> Outcome:
        """The outcome of an unexpected failure, which is logged, retried and then dead-lettered."""
        if isinstance(failure, TransientFailure):
            return failed_outcome(reference, failure)
        if isinstance(failure, ApiError) and failure.code != "InternalError":
            return failed_outcome(reference, TransientFailure(failure.code, failure.message))
        self.log_failure(failure)
        return failed_outcome(reference, TransientFailure("InternalError", type(failure).__name__))

    def log_outcomes(self, outcomes: Collection[Outcome]) -> None:
        """One line of counts; of the failures, the first one's code."""
        counts = Counter(outcome.status for outcome in outcomes)
        codes = [outcome.code for outcome in outcomes if outcome.status is Status.FAILED]
        observability.log(
            "batch",
            level="WARNING" if codes else "INFO",
            request_id=self.request_id,
            objects=len(outcomes),
            results=counts[Status.WRITTEN] + counts[Status.REJECTED],
            skipped=counts[Status.SKIPPED],
            failures=len(codes),
            code=codes[0] if codes else None,
        )
        refused = Counter(outcome.code for outcome in outcomes if outcome.code is not None)
        observability.log_errors(
            refused, self.namespace, source="batch", request_id=self.request_id
        )

    def log_failure(self, failure: Exception) -> None:
        """Logs an unexpected failure: type and place, never its text, which may contain a key."""
        kind = type(failure).__name__
        observability.log(
            "batch failure",
            level="ERROR",
            request_id=self.request_id,
            error_type=kind,
            where=innermost_frames(failure),
        )


Group = list[tuple[ObjectReference, StoredObject]]


@dataclass(frozen=True)
class _Run:
    """The state of one `Batch.run`: objects in progress, and outcomes."""

    batch: Batch
    pool: ThreadPoolExecutor
    ended: dict[ObjectReference, Outcome] = field(default_factory=dict)
    writing: dict[ObjectReference, Future[Outcome]] = field(default_factory=dict)
    paces: list[float] = field(default_factory=list)  # seconds a picture, of each group

    def outcomes(self, references: Sequence[ObjectReference]) -> Mapping[ObjectReference, Outcome]:
        for group in self.groups(references):
            self.embed(group)
        wait(self.writing.values(), timeout=self.batch.deadline.seconds_to_write())
        for reference, future in self.writing.items():
            if future.done():
                self.ended[reference] = future.result()
        for reference in references:
            self.ended.setdefault(reference, failed_outcome(reference, OUT_OF_TIME))
        return self.ended

    def groups(self, references: Sequence[ObjectReference]) -> Iterator[Group]:
        """What has been read since the last group, while the next objects are being read.

        Nothing waits for a group to fill: the first one is small, and as inference takes longer
        than a read, the others are full. Near the deadline a group has only as many pictures as
        end in time at the slowest pace so far. Ends when all is read, or when the time left is
        too short for one.
        """
        waiting = deque(references)
        reading: dict[Future[StoredObject | Outcome], ObjectReference] = {}
        while waiting or reading:
            while waiting and len(reading) < self.batch.limits.read_ahead:
                reference = waiting.popleft()
                reading[self.pool.submit(self.batch.fetch, reference)] = reference
            timeout = self.batch.deadline.seconds_left()
            done, _ = wait(reading, timeout=timeout, return_when=FIRST_COMPLETED)
            pace = max(self.paces, default=0.0)
            if not done or self.batch.deadline.passes_within(pace):
                return
            room = self.batch.deadline.room_for(pace) or self.batch.limits.group
            ready = [future for future in reading if future in done]
            ready = ready[: min(room, self.batch.limits.group)]
            yield self.select_readable([(reading.pop(future), future.result()) for future in ready])

    def select_readable(
        self, read: Sequence[tuple[ObjectReference, StoredObject | Outcome]]
    ) -> Group:
        """The objects that have bytes to embed; the outcomes of the others are recorded."""
        group: Group = []
        for reference, result in read:
            if isinstance(result, Outcome):
                self.ended[reference] = result
            elif result.size > self.batch.limits.image_bytes:
                self.submit_result(
                    reference, result, picture_too_large(self.batch.limits.image_bytes)
                )
            else:
                group.append((reference, result))
        return group

    def embed(self, group: Group) -> None:
        if not group:
            return
        started = self.batch.deadline.remaining()
        answers = self.batch.embed([picture for _, picture in group])
        for (reference, picture), answer in zip(group, answers, strict=True):
            self.submit_result(reference, picture, answer)
        self.paces.append(self.batch.deadline.seconds_since(started) / len(group))

    def submit_result(
        self, reference: ObjectReference, picture: StoredObject, answer: Answer
    ) -> None:
        """Start writing the result of an object, unless the answer is not about the object."""
        if isinstance(answer, ApiError) and answer.code not in ABOUT_THE_PICTURE:
            failure = TransientFailure(answer.code, answer.message)
            self.ended[reference] = failed_outcome(reference, failure)
        else:
            # Drop the bytes: pending writes need not hold them.
            picture = replace(picture, data=b"")
            future = self.pool.submit(self.batch.write, reference, picture, answer)
            self.writing[reference] = future


def skipped_outcome(reference: ObjectReference, code: str, message: str) -> Outcome:
    return Outcome(reference, Status.SKIPPED, code=code, message=message)


def failed_outcome(reference: ObjectReference, failure: TransientFailure) -> Outcome:
    return Outcome(reference, Status.FAILED, code=failure.code, message=failure.message)


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The answer of the sources that take a whole answer: what became of each object."""
    return {"results": [outcome.as_dict() for outcome in outcomes]}


def raise_if_failed(outcomes: Sequence[Outcome]) -> None:
    """For sources that can only retry the whole event.

    Raises:
        TransientFailure: At least one object FAILED; it names how many, and why the first did.
    """
    failures = [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    if failures:
        first = failures[0]
        message = f"{len(failures)} of {len(outcomes)} objects: {first.message}"
        raise TransientFailure(first.code or "InternalError", message)
