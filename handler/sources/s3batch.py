"""S3 Batch Operations, invocation schema 1.0 and 2.0."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from msgspec import Struct
from msgspec import field as named

from handler.batch import service as batch_service
from handler.batch.types import Outcome, Status
from handler.decoding import convert
from handler.faces.service import AnyService
from handler.invocation import Invocation
from handler.storage.types import ObjectReference

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html
MAX_RESULT_STRING = 1024
RESULT_CODES = {
    Status.WRITTEN: "Succeeded",
    Status.REJECTED: "PermanentFailure",
    Status.SKIPPED: "PermanentFailure",
    Status.FAILED: "TemporaryFailure",
}


class Task(Struct):
    """One object of the job: 1.0 gives the bucket's ARN, 2.0 its name."""

    task_id: str = named(name="taskId")
    key: str = named(name="s3Key")
    version_id: str | None = named(name="s3VersionId", default=None)
    bucket_arn: str | None = named(name="s3BucketArn", default=None)
    bucket: str | None = named(name="s3Bucket", default=None)

    def reference(self) -> ObjectReference:
        """The object. Keys are encoded as in the manifest, a space as `+`.

        The ARN is `arn:aws:s3:::bucket` or `arn:aws:s3:region:account:bucket`.
        """
        bucket = self.bucket or (self.bucket_arn or "").rpartition(":")[2]
        return ObjectReference(bucket, unquote_plus(self.key), self.version_id or None)


class JobInvocation(Struct):
    """What S3 Batch Operations sends."""

    schema: str = named(name="invocationSchemaVersion")
    identifier: str = named(name="invocationId")
    tasks: list[Task]


def matches(event: Mapping[str, Any]) -> bool:
    """An invocation by a job, recognised by its schema version."""
    return "invocationSchemaVersion" in event and "tasks" in event


def handle(event: Mapping[str, Any], invocation: Invocation, service: AnyService) -> dict[str, Any]:
    """Embed the tasks' objects; what may succeed later is TemporaryFailure, and so is no answer."""
    job: JobInvocation = convert(event, JobInvocation)
    references = [task.reference() for task in job.tasks]
    outcomes = batch_service.open_batch(service, invocation).run(references)
    return {
        "invocationSchemaVersion": job.schema,
        "treatMissingKeysAs": "TemporaryFailure",
        "invocationId": job.identifier,
        "results": [
            result(task.task_id, outcome) for task, outcome in zip(job.tasks, outcomes, strict=True)
        ],
    }


def result(task_id: str, outcome: Outcome) -> dict[str, str]:
    """A task's line in the job's report: where its result is, or why there is none."""
    text = f"{outcome.code}: {outcome.message}" if outcome.code else outcome.output or ""
    return {
        "taskId": task_id,
        "resultCode": RESULT_CODES[outcome.status],
        "resultString": text[:MAX_RESULT_STRING],
    }
