"""ministack with what this template needs and ministack 1.5 does not do.

    MINISTACK_FUNCTION=http://127.0.0.1:PORT python ministack_extension.py

It runs in ministack's own environment, which has neither pytest nor the function's packages. Each
part stands for one gap, and test_extension.py shows each gap on plain ministack: where a new
version closes one, that test fails, and the part goes.
"""

import csv
import gzip
import io
import json
import os
import time
import urllib.request
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote_plus

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import apigateway, eventbridge, lambda_svc, s3, sqs, stepfunctions
from ministack.services.cloudformation import provisioners

RESOURCES = provisioners._RESOURCE_HANDLERS
FUNCTION_TIMEOUT = 120


# ------------------------------------------------------------------ CloudFormation
def add_role_policy() -> None:
    """AWS::IAM::RolePolicy is AWS::IAM::Policy with one role."""

    def listed(properties: dict) -> dict:
        return {**properties, "Roles": [properties["RoleName"]]}

    def create(logical_id: str, properties: dict, stack: str) -> tuple:
        made = provisioners._iam_policy_create(logical_id, listed(properties), stack)
        return f"{properties['PolicyName']}|{properties['RoleName']}", made[1]

    def update(physical_id: str, old: dict, new: dict, stack: str, logical_id: Any = None) -> tuple:
        made = provisioners._iam_policy_update(
            physical_id, listed(old), listed(new), stack, logical_id
        )
        return physical_id, made[1]

    RESOURCES["AWS::IAM::RolePolicy"] = {
        "create": create,
        "update": update,
        "update_with_logical_id": True,
        "delete": lambda physical_id, properties: provisioners._iam_policy_delete(
            physical_id, listed(properties)
        ),
    }


def read_scaling_numbers() -> None:
    """A parameter arrives as text; the concurrency of an event source mapping is a number."""
    mapping = RESOURCES["AWS::Lambda::EventSourceMapping"]

    def numbers(properties: dict) -> dict:
        scaling = properties.get("ScalingConfig") or {}
        return {**properties, "ScalingConfig": {name: int(scaling[name]) for name in scaling}}

    def create(logical_id: str, properties: dict, stack: str) -> tuple:
        return mapping_create(logical_id, numbers(properties), stack)

    mapping_create = mapping["create"]
    RESOURCES["AWS::Lambda::EventSourceMapping"] = {**mapping, "create": create}


ENCRYPTION = """<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>
<SSEAlgorithm>{algorithm}</SSEAlgorithm><KMSMasterKeyID>{key}</KMSMasterKeyID>
</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"""


def encrypt_buckets() -> None:
    """BucketEncryption, which CloudFormation here passes over."""
    bucket = RESOURCES["AWS::S3::Bucket"]

    def encrypt(name: str, properties: dict) -> None:
        for rule in properties.get("BucketEncryption", {}).get(
            "ServerSideEncryptionConfiguration", []
        ):
            default = rule["ServerSideEncryptionByDefault"]
            text = ENCRYPTION.format(
                algorithm=default["SSEAlgorithm"], key=default.get("KMSMasterKeyID", "")
            )
            s3._put_bucket_encryption(name, text.encode())

    def create(logical_id: str, properties: dict, stack: str) -> tuple:
        made = bucket["create"](logical_id, properties, stack)
        encrypt(made[0], properties)
        return made

    def update(physical_id: str, old: dict, new: dict, *rest: Any, **more: Any) -> tuple:
        made = bucket["update"](physical_id, old, new, *rest, **more)
        encrypt(made[0], new)
        return made

    RESOURCES["AWS::S3::Bucket"] = {**bucket, "create": create, "update": update}


# ------------------------------------------------------------------ the function
def forward_to_function() -> None:
    """A function from an image is called at MINISTACK_FUNCTION, errors with their types.

    ministack's own proxy wants its address among the function's variables, which are the
    template's business, and reports every failure as Runtime.HandlerError.
    """

    def execute(function: dict, event: Any, request_id: str) -> dict:
        config = function.get("config") or function
        request = urllib.request.Request(
            os.environ["MINISTACK_FUNCTION"],
            json.dumps(event).encode(),
            {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Invoked-Function-Arn": config["FunctionArn"],
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=FUNCTION_TIMEOUT) as answer:
                body = json.loads(answer.read())
                failed = answer.headers.get("X-Amz-Function-Error") is not None
                return {"body": body, "error": True} if failed else {"body": body}
        except OSError as failure:
            body = {"errorType": "Sandbox.Unreachable", "errorMessage": type(failure).__name__}
            return {"body": body, "error": True}

    lambda_svc._execute_function_docker = execute


# ------------------------------------------------------------------ who may
def role_may(role_arn: str, action: str, resource: str) -> bool:
    """Whether the role's policies let an AWS service do this in the role's name."""
    name = role_arn.rpartition("/")[2]
    context = iam_evaluator.EvalContext(
        principal_arn=role_arn,
        principal_type="AssumedRole",
        principal_account=get_account_id(),
        action=action,
        resource_arn=resource,
        region=get_region(),
    )
    policies = iam_evaluator._gather_role_policies(name, get_account_id())
    return iam_evaluator.evaluate(context, policies).decision == "Allow"


def name_roles_of_sessions() -> None:
    """aws:PrincipalArn of a session is the ARN of its role, not that of the session.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    resolve = iam_evaluator._resolve_condition_key

    def resolve_role(key: str, context: Any) -> Any:
        value = resolve(key, context)
        if key.lower() != "aws:principalarn" or ":assumed-role/" not in str(value):
            return value
        account, name = value.split(":")[4], value.split("/")[1]
        return f"arn:aws:iam::{account}:role/{name}"

    iam_evaluator._resolve_condition_key = resolve_role


def check_rule_targets() -> None:
    """EventBridge needs the queue's leave; what it may not deliver goes to the target's DLQ."""
    deliver = eventbridge._invoke_target

    def invoke(target: dict, event: dict, rule: dict, view: Any = None) -> Any:
        for arn in (target["Arn"], (target.get("DeadLetterConfig") or {}).get("Arn")):
            if arn is None:
                return None
            leave = sqs.queue_policy_allows(
                arn, "events.amazonaws.com", rule.get("Arn", ""), get_account_id()
            )
            if ":sqs:" not in arn or leave:
                return deliver({**target, "Arn": arn}, event, rule, view)
        return None

    eventbridge._invoke_target = invoke


def check_queue_reader() -> None:
    """An event source mapping reads with the function's role, and needs all three rights."""
    receive = sqs._receive_messages_for_esm
    needed = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")

    def checked(queue_url: str, number: int) -> list:
        queue = sqs._get_q(queue_url)["attributes"]["QueueArn"]
        for _account, _region, mapping in lambda_svc._iter_all_esms():
            if mapping["EventSourceArn"] != queue:
                continue
            function = lambda_svc._functions[mapping["FunctionName"]]
            role = function["config"]["Role"]
            if not all(role_may(role, action, queue) for action in needed):
                return []
        return receive(queue_url, number)

    sqs._receive_messages_for_esm = checked


def check_api_callers() -> None:
    """An API needs the leave of the function that it calls, its own or an authorizer's."""
    proxy, authorize = apigateway._invoke_lambda_proxy, apigateway._invoke_request_authorizer_lambda

    def leave(uri: str, source: str) -> bool:
        reference = apigateway._extract_lambda_ref_from_integration_uri(uri)
        function, config, _name = lambda_svc._get_func_record_for_ref(reference)
        context = iam_evaluator.EvalContext(
            principal_arn="*",
            principal_type="Service",
            principal_account="",
            action="lambda:InvokeFunction",
            resource_arn=config["FunctionArn"],
            region=get_region(),
            service_context={"aws:sourcearn": source},
        )
        decision = iam_evaluator.evaluate_resource_policy(
            function.get("policy"), context, service="apigateway.amazonaws.com"
        )
        return decision.decision == "Allow"

    def source(rest: str) -> str:
        return f"arn:aws:execute-api:{get_region()}:{get_account_id()}:{rest}"

    async def invoke(
        integration: dict, api_id: str, stage: str, path: str, *rest: Any, **more: Any
    ):
        if not leave(integration["integrationUri"], source(f"{api_id}/{stage}/ANY{path}")):
            return 500, {"Content-Type": "application/json"}, b'{"message":"Internal Server Error"}'
        return await proxy(integration, api_id, stage, path, *rest, **more)

    async def ask(authorizer: dict, event: dict, account_id: str, region: str) -> Any:
        api = event["requestContext"]["apiId"]
        rest = f"{api}/authorizers/{authorizer.get('authorizerId')}"
        if not leave(authorizer["authorizerUri"], source(rest)):
            return None
        return await authorize(authorizer, event, account_id, region)

    apigateway._invoke_lambda_proxy = invoke
    apigateway._invoke_request_authorizer_lambda = ask


def check_s3_callers() -> None:
    """What S3 asks for beyond the action: the owner, the key, and who may hear of a gap."""
    plain = s3.handle_request

    async def handle(method: str, path: str, headers: dict, *rest: Any, **more: Any) -> tuple:
        bucket, key = s3._parse_bucket_key(path, headers)
        owner = headers.get("x-amz-expected-bucket-owner")
        if bucket and owner and owner != s3._bucket_owner_account(bucket):
            return s3._error("AccessDenied", "Access Denied", 403)
        if key and not may_use_key(method, bucket):
            return s3._error("AccessDenied", "not authorized to use the KMS key", 403)
        answer = await plain(method, path, headers, *rest, **more)
        if key and answer[0] == 404 and not caller_may("s3:ListBucket", bucket_arn(bucket)):
            return s3._error("AccessDenied", "Access Denied", 403)
        return answer

    s3.handle_request = handle


def may_use_key(method: str, bucket: str) -> bool:
    """The caller, not S3, uses the key of the bucket's default encryption."""
    settings = s3._bucket_default_sse_headers(bucket)
    arn = settings.get("x-amz-server-side-encryption-aws-kms-key-id")
    action = {"GET": "kms:Decrypt", "PUT": "kms:GenerateDataKey"}.get(method)
    return arn is None or action is None or caller_may(action, arn)


def caller_may(action: str, resource: str) -> bool:
    """Whether a role that calls may do this; the account's root may do everything."""
    caller = iam_evaluator.caller_arn()
    if ":assumed-role/" not in caller:
        return True
    return role_may(f"role/{iam_evaluator._role_name_from_assumed_arn(caller)}", action, resource)


def listen_without_tls_too() -> None:
    """Plain HTTP beside TLS, so that it can be shown that the buckets and queues refuse it."""
    from hypercorn.config import Config

    Config._insecure_bind = [f"127.0.0.1:{os.environ['MINISTACK_PLAIN_PORT']}"]


# The evaluator looks condition keys up in lower case.
PUBLIC = (
    ("lambda:InvokeFunctionUrl", {"lambda:functionurlauthtype": "NONE"}),
    ("lambda:InvokeFunction", {"lambda:invokedviafunctionurl": "true"}),
)


def check_public_urls() -> None:
    """A function URL without authorization still needs the function's leave, for two actions."""
    plain = lambda_svc.handle_function_url_request

    async def handle(url_id: str, *rest: Any, **more: Any) -> tuple:
        resolved = lambda_svc.resolve_function_url(url_id)
        if resolved and resolved[4].get("AuthType") == "NONE":
            function = lambda_svc._functions[resolved[2]]
            if not all(anybody_may(function, action, keys) for action, keys in PUBLIC):
                return 403, {"Content-Type": "application/json"}, b'{"Message":"Forbidden"}'
        return await plain(url_id, *rest, **more)

    lambda_svc.handle_function_url_request = handle


def anybody_may(function: dict, action: str, keys: dict) -> bool:
    context = iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Anonymous",
        principal_account="",
        action=action,
        resource_arn=function["config"]["FunctionArn"],
        region=get_region(),
        service_context=keys,
    )
    decision = iam_evaluator.evaluate_resource_policy(function.get("policy"), context)
    return decision.decision == "Allow"


# ------------------------------------------------------------------ SQS
def add_move_task() -> None:
    """StartMessageMoveTask: everything in the source goes to the destination, at once."""

    def start(data: dict, _url: str) -> dict:
        source = sqs._queue_by_arn(data["SourceArn"])
        destination = sqs._queue_by_arn(data["DestinationArn"])
        with sqs._queues_lock:
            for message in source["messages"]:
                fresh = {**message, "receive_count": 0, "visible_at": time.time()}
                destination["messages"].append({**fresh, "receipt_handle": None})
            source["messages"] = []
        sqs.esm_wake.set()
        return {"TaskHandle": "moved"}

    sqs._HANDLERS["StartMessageMoveTask"] = start


# ------------------------------------------------------------------ Step Functions
EXECUTION_ROLE: ContextVar[str] = ContextVar("EXECUTION_ROLE", default="")


def require(action: str, resource: str) -> None:
    """Raises as Step Functions does where the state machine's role may not do this."""
    if not role_may(EXECUTION_ROLE.get(), action, resource):
        reason = f"not authorized to perform {action}"
        raise stepfunctions._ExecutionError("States.Permissions", reason)


def bucket_arn(bucket: str, key: str = "") -> str:
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def extend_distributed_map() -> None:
    """ItemBatcher, ResultWriter and inventories; every call under the state machine's role."""
    plain_read, plain_run = stepfunctions._read_map_items, stepfunctions._run_distributed_map

    def read(reader: dict, effective: Any, context: Any) -> list:
        config = reader.get("ReaderConfig") or {}
        where = stepfunctions._resolve_params_obj(reader["Parameters"], effective, context)
        if reader["Resource"].endswith("s3:listObjectsV2"):
            require("s3:ListBucket", bucket_arn(where["Bucket"]))
            return plain_read(reader, effective, context)
        require("s3:GetObject", bucket_arn(where["Bucket"], where["Key"]))
        if config.get("InputType") != "MANIFEST":
            return plain_read(reader, effective, context)
        return read_inventory(where["Bucket"], where["Key"])

    def run(state: dict, raw: Any, effective: Any, iterator: dict, execution: dict, context: Any):
        machine = stepfunctions._state_machines[execution["stateMachineArn"]]
        EXECUTION_ROLE.set(machine["roleArn"])
        require("states:StartExecution", execution["stateMachineArn"])
        items = read(state["ItemReader"], effective, context)
        batches = in_batches(items, state.get("ItemBatcher"), effective, context)
        kept = {
            name: state[name]
            for name in state
            if name not in ("ItemReader", "ItemBatcher", "ResultWriter")
        }
        before = set(stepfunctions._map_runs)
        output, following = plain_run(
            {**kept, "ItemsPath": "$.items"}, raw, {"items": batches}, iterator, execution, context
        )
        if state.get("ResultWriter"):
            (arn,) = set(stepfunctions._map_runs) - before
            where = stepfunctions._resolve_params_obj(
                state["ResultWriter"]["Parameters"], effective, context
            )
            output = write_results(arn, where["Bucket"], where["Prefix"])
        return output, following

    stepfunctions._read_map_items, stepfunctions._run_distributed_map = read, run
    check_lambda_tasks()


def check_lambda_tasks() -> None:
    """A task that calls a function does so with the state machine's role."""
    plain_call = stepfunctions._call_lambda

    def call(reference: str, event: Any) -> Any:
        if EXECUTION_ROLE.get():
            require("lambda:InvokeFunction", reference)
        return plain_call(reference, event)

    stepfunctions._call_lambda = call


def read_inventory(bucket: str, key: str) -> list[dict]:
    """The rows of an S3 inventory in CSV, keys as they stand in it."""
    manifest = json.loads(read_object(bucket, key))
    names = [name.strip() for name in manifest["fileSchema"].split(",")]
    source = manifest["destinationBucket"].rpartition(":")[2]
    rows: list[dict] = []
    for file in manifest["files"]:
        text = gzip.decompress(read_object(source, file["key"])).decode()
        rows += [dict(zip(names, row, strict=True)) for row in csv.reader(io.StringIO(text))]
    return rows


def read_object(bucket: str, key: str) -> bytes:
    require("s3:GetObject", bucket_arn(bucket, key))
    status, _headers, body = s3._get_object(bucket, unquote_plus(key), {}, {})
    if status != 200:
        raise stepfunctions._ExecutionError("States.ItemReaderFailed", f"{status}")
    return body


def in_batches(items: list, batcher: dict | None, effective: Any, context: Any) -> list:
    if not batcher:
        return items
    size = int(batcher["MaxItemsPerBatch"])
    shared = {}
    if "BatchInput" in batcher:
        filled = stepfunctions._resolve_params_obj(batcher["BatchInput"], effective, context)
        shared = {"BatchInput": filled}
    return [{**shared, "Items": items[at : at + size]} for at in range(0, len(items), size)]


def write_results(arn: str, bucket: str, prefix: str) -> dict:
    """SUCCEEDED_0.json, FAILED_0.json and manifest.json, as a ResultWriter writes them."""
    base = f"{prefix}/{arn.rpartition(':')[2]}"
    children = [each for each in stepfunctions._executions.values() if each.get("mapRunArn") == arn]
    files: dict[str, list] = {}
    for status in ("SUCCEEDED", "FAILED", "PENDING"):
        rows = [describe(child) for child in children if child["status"] == status]
        files[status] = []
        if rows:
            key, body = f"{base}/{status}_0.json", json.dumps(rows).encode()
            write_object(bucket, key, body)
            files[status] = [{"Key": key, "Size": len(body)}]
    manifest = {"DestinationBucket": bucket, "MapRunArn": arn, "ResultFiles": files}
    write_object(bucket, f"{base}/manifest.json", json.dumps(manifest).encode())
    details = {"Bucket": bucket, "Key": f"{base}/manifest.json"}
    return {"MapRunArn": arn, "ResultWriterDetails": details}


def write_object(bucket: str, key: str, body: bytes) -> None:
    require("s3:PutObject", bucket_arn(bucket, key))
    s3._put_object(bucket, key, body, {})


def describe(child: dict) -> dict:
    return {
        "ExecutionArn": child["executionArn"],
        "Name": child["name"],
        "Status": child["status"],
        "Input": child["input"],
        "Output": child["output"],
        "Error": child.get("error"),
        "Cause": child.get("cause"),
    }


PARTS = (
    add_role_policy,
    read_scaling_numbers,
    encrypt_buckets,
    forward_to_function,
    name_roles_of_sessions,
    check_rule_targets,
    check_queue_reader,
    check_api_callers,
    check_s3_callers,
    check_public_urls,
    listen_without_tls_too,
    add_move_task,
    extend_distributed_map,
)


def main() -> None:
    for part in PARTS:
        part()
    from ministack.app import main as serve

    serve()


if __name__ == "__main__":
    main()
