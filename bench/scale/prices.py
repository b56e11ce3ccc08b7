"""AWS's prices and quotas, us-east-1, looked up on 2026-11-29, each with where it was found.

Prices of other Regions differ by up to a third. AWS's own price pages load their tables by script,
so some figures come from pages of third parties that repeat them.
"""

MEMORY_MB = 1769

# https://aws.amazon.com/lambda/pricing/
GB_SECOND = 0.0000166667  # x86-64
INVOCATION = 0.20e-6
# https://cloudburn.io/blog/amazon-eventbridge-pricing (2026-03): events of AWS's services to a
# rule on the default bus are free.
EVENT = 0.0
# https://aws.amazon.com/sqs/pricing/: standard queues; a request carries up to ten messages.
QUEUE_REQUEST = 0.40e-6
# https://aws.amazon.com/s3/pricing/: Standard.
GET, PUT, LIST = 0.0004e-3, 0.005e-3, 0.005e-3
KEPT_GB_MONTH = 0.023
# The same page, S3 Batch Operations: each object; the $0.25 of a job are left out.
JOB_OBJECT = 1.00e-6
# https://www.wring.co/blog/aws-step-functions-pricing-guide (2026-03): standard workflows.
TRANSITION = 25e-6
# docs/search.md: faces written 500 at a time, as `fill` does, and the truth's PUT and LIST.
ENROLLED_FACE = 0.28e-6 + PUT + LIST

# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
QUEUE_START, QUEUE_RAMP, QUEUE_MOST = 5, 300, 1_000  # concurrent; more a minute; at most
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: an account's default.
ACCOUNT_CONCURRENCY = 1_000
# https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
MAP_MOST = 10_000
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html: a second, for
# each prefix that S3 has split off.
PREFIX_GET, PREFIX_PUT = 5_500, 3_500
# docs/search.md
VECTORS_A_SECOND, VECTORS_AN_INDEX = 2_500, 2_000_000_000
