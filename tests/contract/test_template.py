"""What template.yaml promises: closed by default, batch that loses nothing, small roles."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handler import observability
from handler.errors import STATUSES
from handler.http.collection_routes import OPERATIONS as COLLECTION_ROUTES
from handler.http.source import EXPOSED_HEADERS
from handler.search import names
from handler.settings import Settings
from tools.sam_template import read_template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = read_template(ROOT / "template.yaml")
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
PARAMETERS: dict[str, Any] = TEMPLATE["Parameters"]
BUCKETS = ("InputStore", "OutputStore", "SearchStore", "UploadStore")
VECTORS_ENGINE = (ROOT / "handler/search/index_vectors.py").read_text(encoding="utf-8")
QUEUES = ("InputQueue", "DeadLetters")


def of_type(kind: str) -> dict[str, Any]:
    return {name: value for name, value in RESOURCES.items() if value["Type"] == kind}


def properties(name: str) -> Any:
    return RESOURCES[name]["Properties"]


def statements() -> Iterator[tuple[str, Any]]:
    """Every statement of every policy that grants something to a role of ours."""
    for name, role in of_type("AWS::IAM::Role").items():
        for policy in role["Properties"].get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement
    for name, policy in of_type("AWS::IAM::RolePolicy").items():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            yield name, statement


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def given(value: Any, **conditions: bool) -> Any:
    """`value` with every Fn::If decided; a condition that is not named is false."""
    if isinstance(value, dict) and set(value) == {"Fn::If"}:
        name, then, otherwise = value["Fn::If"]
        return given(then if conditions.get(name, False) else otherwise, **conditions)
    if isinstance(value, dict):
        return {key: given(part, **conditions) for key, part in value.items()}
    if isinstance(value, list):
        return [given(part, **conditions) for part in value]
    return value


# ---------------------------------------------------------------- who may call


def test_the_api_asks_for_iam_by_default() -> None:
    assert PARAMETERS["Authorization"]["Default"] == "IAM"
    assert "NONE" not in PARAMETERS["Authorization"]["AllowedValues"]
    routes = of_type("AWS::ApiGatewayV2::Route")
    for route in routes.values():
        kind = route["Properties"]["AuthorizationType"]
        assert given(kind) == "AWS_IAM"
        assert given(kind, UseJwt=True) == "JWT"
        assert given(kind, UseAuthorizer=True) == "CUSTOM"
        authorizer = route["Properties"]["AuthorizerId"]
        assert given(authorizer) == {"Ref": "AWS::NoValue"}
        assert given(authorizer, UseJwt=True) == {"Ref": "JwtAuthorizer"}
        assert given(authorizer, UseAuthorizer=True) == {"Ref": "LambdaAuthorizer"}


def test_the_api_has_the_routes_of_the_handler_and_no_other() -> None:
    keys = {
        route["Properties"]["RouteKey"] for route in of_type("AWS::ApiGatewayV2::Route").values()
    }
    assert keys == {
        "POST /v1/compare",
        "POST /v1/embed",
        "POST /v1/detect",
        "POST /v1/uploads",
        "POST /service",
        "POST /",
        "GET /v1/health",
        "GET /v1/model",
        "GET /openapi.json",
    } | {
        f"{method} {path.replace('{person}', '{person+}')}"
        for path, methods in COLLECTION_ROUTES.items()
        for method in methods
    }
    for route in of_type("AWS::ApiGatewayV2::Route").values():
        if "/v1/collections" in route["Properties"]["RouteKey"]:
            assert route["Condition"] == "DoesSearch"


def test_rekognitions_clients_are_answered_only_where_that_was_chosen() -> None:
    assert PARAMETERS["Rekognition"]["Default"] == "no"
    assert RESOURCES["RouteRekognition"]["Condition"] == "DoesRekognition"
    setting = properties("FacenetFunction")["Environment"]["Variables"]["FACENET_REKOGNITION"]
    assert (given(setting), given(setting, DoesRekognition=True)) == ("off", "on")


def test_the_function_url_is_off_and_asks_for_iam() -> None:
    assert PARAMETERS["FunctionUrl"]["Default"] == "no"
    assert PARAMETERS["PublicPage"]["Default"] == "no"
    kind = properties("FunctionAddress")["AuthType"]
    assert given(kind) == "AWS_IAM"
    assert given(kind, IsPublic=True) == "NONE"
    assert RESOURCES["FunctionAddress"]["Condition"] == "HasUrl"


def test_no_page_of_another_origin_may_call_by_default() -> None:
    assert PARAMETERS["CorsOrigins"]["Default"] == ""
    assert given(properties("HttpApi")["CorsConfiguration"]) == {"Ref": "AWS::NoValue"}
    assert given(properties("FunctionAddress")["Cors"]) == {"Ref": "AWS::NoValue"}


def test_the_api_is_throttled_and_waits_no_longer_than_it_can() -> None:
    limits = properties("HttpStage")["DefaultRouteSettings"]
    assert set(limits) == {"ThrottlingRateLimit", "ThrottlingBurstLimit"}
    assert properties("HttpIntegration")["TimeoutInMillis"] <= 30_000
    assert properties("HttpIntegration")["PayloadFormatVersion"] == "2.0"


def test_permissions_to_invoke_name_who_calls() -> None:
    for permission in of_type("AWS::Lambda::Permission").values():
        if permission.get("Condition") == "IsPublic":
            continue
        if permission["Properties"]["Principal"] == "events.amazonaws.com":
            assert permission["Properties"]["SourceArn"] == {"Fn::GetAtt": ["FacesExpired", "Arn"]}
            continue
        assert permission["Properties"]["Principal"] == "apigateway.amazonaws.com"
        assert "${HttpApi}" in json.dumps(permission["Properties"]["SourceArn"])


def test_only_the_public_page_opens_the_url_and_nothing_but_the_url() -> None:
    opened = [p for p in of_type("AWS::Lambda::Permission").values() if p.get("Condition")]
    public = [p["Properties"] for p in opened if p["Condition"] == "IsPublic"]
    assert {p["Action"] for p in public} == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    for permission in public:
        assert permission.get("FunctionUrlAuthType") or permission.get("InvokedViaFunctionUrl")
    page = properties("FacenetFunction")["Environment"]["Variables"]["FACENET_PAGE"]
    assert (given(page), given(page, IsPublic=True)) == ("false", "true")


def test_the_access_log_holds_neither_callers_nor_data() -> None:
    line = properties("HttpStage")["AccessLogSettings"]["Format"]
    assert set(json.loads(line)) == {
        "requestId",
        "time",
        "route",
        "status",
        "latency",
        "error",
        "integrationRequestId",
        "integrationError",
    }
    assert set(re.findall(r"\$context\.([A-Za-z.]+)", line)) == {
        "requestId", "requestTime", "routeKey", "status", "responseLatency", "error.message",
        "integration.requestId",
        "integration.error",
    }  # fmt: skip


# ---------------------------------------------------------------- optional by parameter


def test_the_api_alone_needs_no_bucket_and_no_queue() -> None:
    assert PARAMETERS["Batch"]["Default"] == "no"
    assert PARAMETERS["InputBucket"]["Default"] == ""
    unconditional = {name for name, value in RESOURCES.items() if "Condition" not in value}
    kinds = {RESOURCES[name]["Type"] for name in unconditional}
    assert not {kind for kind in kinds if kind.startswith(("AWS::S3", "AWS::SQS", "AWS::Events"))}
    assert "AWS::Serverless::StateMachine" not in kinds


def test_what_is_always_made_refers_to_nothing_that_may_be_missing() -> None:
    conditional = {name for name, value in RESOURCES.items() if "Condition" in value}
    for name, value in RESOURCES.items():
        if name not in conditional:
            plain = json.dumps(given(value))
            assert not [other for other in conditional if re.search(rf'[{{"]{other}[."}}]', plain)]


def test_every_parameter_has_a_default_and_is_used() -> None:
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    for name, parameter in PARAMETERS.items():
        assert "Default" in parameter, name
        assert re.search(rf"!Ref {name}\b|\$\{{{name}\}}", text), name


def test_the_settings_are_ones_that_the_handler_reads() -> None:
    source = (ROOT / "handler/settings.py").read_text(encoding="utf-8")
    for name in properties("FacenetFunction")["Environment"]["Variables"]:
        assert f'"{name}"' in source, name


def test_sizes_are_parameters_and_both_architectures_are_offered() -> None:
    function = properties("FacenetFunction")
    assert function["MemorySize"] == {"Ref": "MemorySize"}
    assert function["Timeout"] == {"Ref": "Timeout"}
    assert PARAMETERS["Architecture"]["AllowedValues"] == ["x86_64", "arm64"]
    assert TEMPLATE["Globals"]["Function"]["Architectures"] == [{"Ref": "Architecture"}]
    assert given(function["ReservedConcurrentExecutions"], HasCap=True) == {
        "Ref": "ReservedConcurrency"
    }


@pytest.mark.parametrize("value", ["", "1", "20", "99999", "0.03", "0.10", ".5"])
def test_a_smallest_face_that_the_template_takes_is_one_that_the_handler_takes(value: str) -> None:
    assert re.match(PARAMETERS["MinFace"]["AllowedPattern"], value)
    assert Settings.from_environment({"FACENET_MIN_FACE": value})


@pytest.mark.parametrize("value", ["0", "0.0", "-1", "1.", "20px", "100000"])
def test_no_smallest_face_of_nothing_or_without_sense(value: str) -> None:
    assert not re.match(PARAMETERS["MinFace"]["AllowedPattern"], value)


# ---------------------------------------------------------------- batch


@pytest.mark.parametrize("timeout", PARAMETERS["Timeout"]["AllowedValues"])
def test_a_message_is_hidden_for_six_times_the_timeout(timeout: str) -> None:
    waits = TEMPLATE["Mappings"]["Waits"][timeout]
    assert waits["Visibility"] == 6 * int(timeout)
    assert waits["Alarm"] == 800 * int(timeout)
    assert waits["End"] == 1000 * int(timeout)
    assert properties("InputQueue")["VisibilityTimeout"] == {
        "Fn::FindInMap": ["Waits", {"Ref": "Timeout"}, "Visibility"]
    }


def test_the_queue_reports_partial_failures_and_its_concurrency_is_bounded() -> None:
    mapping = properties("QueueMapping")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "BatchConcurrency"}}
    assert PARAMETERS["BatchConcurrency"]["MinValue"] >= 2


def test_what_fails_again_and_again_lands_in_the_dead_letters() -> None:
    redrive = properties("InputQueue")["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    assert redrive["maxReceiveCount"] >= 5
    kept = {name: properties(name)["MessageRetentionPeriod"] for name in QUEUES}
    assert kept["DeadLetters"] == 14 * 24 * 3600
    assert kept["InputQueue"] < kept["DeadLetters"]  # the age of a message moves with it
    target = properties("ObjectCreated")["Targets"][0]
    assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": ["DeadLetters", "Arn"]}


def test_results_can_not_trigger_input() -> None:
    pattern = properties("ObjectCreated")["EventPattern"]
    assert given(pattern["detail-type"]) == ["Object Created"]
    deleted_too = given(pattern["detail-type"], DoesSearch=True)
    assert deleted_too == ["Object Created", "Object Deleted"]
    assert "output" not in json.dumps(pattern["detail"]["bucket"])
    assert "NotificationConfiguration" not in properties("OutputStore")


@pytest.mark.parametrize("name", BUCKETS)
def test_buckets_are_encrypted_private_and_kept(name: str) -> None:
    bucket = properties(name)
    rule = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    encryption = rule["ServerSideEncryptionByDefault"]
    assert given(encryption)["SSEAlgorithm"] == "AES256"
    assert given(encryption, HasKey=True) == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": {"Ref": "KmsKeyArn"},
    }
    assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )
    # Names are fixed: a bucket left by a rolled back creation would stop the next one.
    assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("name", BUCKETS)
def test_buckets_speak_tls_only(name: str) -> None:
    statement = properties(f"{name}Policy")["PolicyDocument"]["Statement"][0]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(statement["Resource"]) == 2


def test_results_are_deleted_in_the_end() -> None:
    rules = {
        rule["Id"]: rule for rule in properties("OutputStore")["LifecycleConfiguration"]["Rules"]
    }
    assert rules["delete-results"]["ExpirationInDays"] == {"Ref": "ResultDays"}


# ---------------------------------------------------------------- uploads


def test_uploads_and_heic_are_off_and_then_nothing_of_them_is_made() -> None:
    assert PARAMETERS["Uploads"]["Default"] == PARAMETERS["Heic"]["Default"] == "no"
    made = {name for name, value in RESOURCES.items() if "Upload" in name}
    assert made == {"RouteUploads", "UploadStore", "UploadStorePolicy", "UseUploads"}
    assert {RESOURCES[name]["Condition"] for name in made} == {"HasUploads"}
    variables = properties("FacenetFunction")["Environment"]["Variables"]
    assert (given(variables["FACENET_UPLOADS"]), given(variables["FACENET_HEIC"])) == ("", "off")
    assert given(variables["FACENET_HEIC"], ReadsHeic=True) == "on"


def test_uploads_are_gone_after_a_day() -> None:
    rules = properties("UploadStore")["LifecycleConfiguration"]["Rules"]
    assert {"Id": "delete-uploads", "Status": "Enabled", "ExpirationInDays": 1} in rules


def test_the_function_alone_reads_uploads_and_only_below_their_prefix() -> None:
    granted = [statement for name, statement in statements() if name == "UseUploads"]
    assert granted[0]["Action"] == ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"]
    assert granted[0]["Resource"]["Fn::Sub"].endswith("/uploads/*")
    deny = properties("UploadStorePolicy")["PolicyDocument"]["Statement"][1]
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:GetObject")
    role = {"Fn::GetAtt": ["FunctionRole", "Arn"]}
    assert deny["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": role}}


def test_a_browser_may_send_forms_and_read_nothing() -> None:
    (rule,) = properties("UploadStore")["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedMethods"] == ["POST"]


@pytest.mark.parametrize("name", QUEUES)
def test_queues_are_encrypted_and_take_messages_from_our_rule_alone(name: str) -> None:
    assert properties(name)["SqsManagedSseEnabled"] is True
    policies = of_type("AWS::SQS::QueuePolicy").values()
    mine = [p for p in policies if p["Properties"]["Queues"] == [{"Ref": name}]]
    allow, deny = mine[0]["Properties"]["PolicyDocument"]["Statement"]
    assert allow["Principal"] == {"Service": "events.amazonaws.com"}
    assert allow["Condition"] == {
        "ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["ObjectCreated", "Arn"]}}
    }
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


# ---------------------------------------------------------------- roles


def test_no_role_may_do_everything_or_act_on_everything() -> None:
    for name, statement in statements():
        assert statement["Effect"] == "Allow"
        for action in as_list(statement["Action"]):
            assert "*" not in action, f"{name}: {action}"
        for resource in as_list(statement["Resource"]):
            assert resource != "*", f"{name}: {statement['Action']}"


def test_the_function_reads_input_and_writes_results_and_nothing_else() -> None:
    granted = {
        action
        for name, statement in statements()
        if name in ("FunctionRole", "ReadInput", "WriteOutput", "UseKey")
        for action in as_list(statement["Action"])
    }
    assert granted == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "s3:PutObject",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "kms:Decrypt",
        "kms:GenerateDataKey",
    }
    writes = [
        s for name, s in statements() if name == "WriteOutput" and s["Action"] == "s3:PutObject"
    ]
    assert writes[0]["Resource"]["Fn::Sub"].endswith("/${OutputPrefix}/*")


def test_collections_are_kept_with_as_little_as_they_need() -> None:
    """S3 Vectors: only the index calls of its API; S3: no more than the truth's prefix."""
    granted = {
        action: statement["Resource"]["Fn::Sub"]
        for name, statement in statements()
        if name in ("KeepCollections", "UseVectors")
        for action in as_list(statement["Action"])
    }
    assert {action for action in granted if action.startswith("s3:")} == {
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:ListBucket",
    }
    calls = set(re.findall(r'_call\(\s*"(\w+)"', VECTORS_ENGINE))
    needed = {"".join(part.title() for part in call.split("_")) for call in calls}
    assert {action for action in granted if action.startswith("s3vectors:")} == {
        f"s3vectors:{name}" for name in needed
    }
    for action, resource in granted.items():
        assert resource.endswith(("/truth/*", "/index/*")) or action == "s3:ListBucket"


def test_enrolled_faces_expire_without_their_collections_and_leave_the_index() -> None:
    bucket = properties("SearchStore")
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["delete-faces"]["ExpirationInDays"] == {"Ref": "SearchDays"}
    location = properties("FacenetFunction")["Environment"]["Variables"]["FACENET_COLLECTIONS"]
    prefix = given(location, DoesSearch=True)["Fn::Sub"].rpartition("/")[2]
    faces = names.generation_prefix("c", "g").partition("/")[0]
    assert rules["delete-faces"]["Prefix"] == f"{prefix}/{faces}/"
    assert "VersioningConfiguration" not in bucket
    pattern = properties("FacesExpired")["EventPattern"]
    assert pattern["detail"]["object"]["key"] == [{"prefix": f"{prefix}/{faces}/"}]
    assert bucket["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"]
    assert properties("FacesExpiredPermission") == {
        "FunctionName": {"Ref": "FacenetFunction"},
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        "SourceArn": {"Fn::GetAtt": ["FacesExpired", "Arn"]},
    }


def test_vectors_are_encrypted_kept_and_speak_tls_only() -> None:
    encryption = properties("VectorStore")["EncryptionConfiguration"]
    assert given(encryption) == {"SseType": "AES256", "KmsKeyArn": {"Ref": "AWS::NoValue"}}
    assert given(encryption, HasKey=True) == {
        "SseType": "aws:kms",
        "KmsKeyArn": {"Ref": "KmsKeyArn"},
    }
    assert RESOURCES["VectorStore"]["DeletionPolicy"] == "RetainExceptOnCreate"
    (deny,) = properties("VectorStorePolicy")["Policy"]["Statement"]
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3vectors:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_search_is_off_and_never_public() -> None:
    assert PARAMETERS["Search"]["Default"] == "no"
    rule = TEMPLATE["Rules"]["PublicPageNamesNobody"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "PublicPage"}, "yes"]}
    assert rule["Assertions"][0]["Assert"] == {"Fn::Equals": [{"Ref": "Search"}, "no"]}


def test_step_functions_take_their_role_for_this_account_only() -> None:
    trust = properties("BackfillRole")["AssumeRolePolicyDocument"]["Statement"][0]
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_s3_batch_operations_take_their_role_as_the_user_guide_says() -> None:
    (trust,) = properties("BatchOperationsRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {
        "Effect": "Allow",
        "Principal": {"Service": "batchoperations.s3.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }


# ---------------------------------------------------------------- logs, alarms, back-fill


def test_logs_are_kept_as_long_as_the_parameter_says() -> None:
    groups = of_type("AWS::Logs::LogGroup")
    assert len(groups) == 2
    for group in groups.values():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetention"}
        assert given(group["Properties"]["KmsKeyId"], HasKey=True) == {"Ref": "KmsKeyArn"}


def test_there_is_an_alarm_for_each_way_to_fail() -> None:
    metrics = {
        alarm["Properties"]["MetricName"] for alarm in of_type("AWS::CloudWatch::Alarm").values()
    }
    assert metrics == {
        "Errors",
        "errors",
        "5xx",
        "Url5xxCount",
        "Throttles",
        "Duration",
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
    }
    assert properties("DurationAlarm")["ExtendedStatistic"] == "p99"


def test_a_bug_rings_wherever_it_happens() -> None:
    """The alarm listens to what the function writes: its namespace, metric and dimension."""
    alarm = properties("InternalErrorAlarm")
    variables = properties("FacenetFunction")["Environment"]["Variables"]
    assert alarm["Namespace"] == variables["FACENET_METRICS_NAMESPACE"]
    assert alarm["MetricName"] == observability.ERRORS
    assert alarm["Dimensions"] == [{"Name": "code", "Value": "InternalError"}]
    assert "InternalError" in STATUSES
    assert RESOURCES["UrlErrorAlarm"]["Condition"] == "HasUrl"


def test_browsers_may_read_the_headers_that_say_what_to_do_next() -> None:
    wanted = ["x-request-id", "retry-after"]
    for cors in (properties("HttpApi")["CorsConfiguration"], properties("FunctionAddress")["Cors"]):
        assert given(cors, HasCors=True)["ExposeHeaders"] == wanted
    assert EXPOSED_HEADERS.split(", ") == wanted


def test_the_dashboard_is_json_and_shows_what_to_watch() -> None:
    assert PARAMETERS["Dashboard"]["Default"] == "no"
    assert RESOURCES["Overview"]["Condition"] == "HasDashboard"
    text, values = properties("Overview")["DashboardBody"]["Fn::Sub"]
    assert set(values) <= set(re.findall(r"\$\{(\w+)\}", text))
    body = json.loads(re.sub(r"\$\{[\w:]+\}", "1", text))
    titles = [widget["properties"]["title"] for widget in body["widgets"]]
    assert titles == [
        "Requests",
        "Errors by code",
        "Duration and timeout",
        "Cold starts",
        "Queue",
        "Objects per minute",
    ]


def read_machine() -> Any:
    text = (ROOT / "statemachine/backfill.asl.json").read_text(encoding="utf-8")
    return json.loads(re.sub(r"\$\{MaxConcurrency\}", "10", text))


def test_the_back_fill_uses_what_the_template_gives_it() -> None:
    text = (ROOT / "statemachine/backfill.asl.json").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{(\w+)\}", text)) == set(
        properties("Backfill")["DefinitionSubstitutions"]
    )


@pytest.mark.parametrize("state", ["EmbedListing", "EmbedInventory"])
def test_the_back_fill_is_a_distributed_map_that_retries_what_may_pass(state: str) -> None:
    step = read_machine()["States"][state]
    processor = step["ItemProcessor"]
    assert processor["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
    task = processor["States"][processor["StartAt"]]
    assert "TransientFailure" in task["Retry"][0]["ErrorEquals"]
    assert step["ItemBatcher"]["BatchInput"]["bucket"] == "${InputBucket}"
    assert step["ResultWriter"]["Parameters"]["Prefix"] == "_backfill"
    assert step["ToleratedFailurePercentage"] == 100  # one bad object does not stop a million


def test_deployed_files_lie_where_the_template_says() -> None:
    metadata = RESOURCES["FacenetFunction"]["Metadata"]
    assert (ROOT / metadata["Dockerfile"]).is_file()
    assert (ROOT / properties("Backfill")["DefinitionUri"]).is_file()
    stages = re.findall(r"^FROM \S+ AS (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert metadata["DockerBuildTarget"] in stages
    assert stages[-1] == "default"


# ---------------------------------------------------------------- what does not go together


def test_the_public_page_goes_without_any_bucket() -> None:
    rule = TEMPLATE["Rules"]["PublicPageSeesNoBucket"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "PublicPage"}, "yes"]}
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {
        "Fn::And": [
            {"Fn::Equals": [{"Ref": "InputBucket"}, ""]},
            {"Fn::Equals": [{"Ref": "Batch"}, "no"]},
        ]
    }


def test_batch_goes_with_a_bucket_of_this_account_alone() -> None:
    rule = TEMPLATE["Rules"]["BatchNeedsItsOwnBucket"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "Batch"}, "yes"]}
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {
        "Fn::Or": [
            {"Fn::Equals": [{"Ref": "InputBucketOwner"}, ""]},
            {"Fn::Equals": [{"Ref": "InputBucketOwner"}, {"Ref": "AWS::AccountId"}]},
        ]
    }


@pytest.mark.parametrize("role", ["FunctionRole", "BackfillRole", "BatchOperationsRole"])
def test_whoever_reads_or_writes_the_output_may_use_its_key(role: str) -> None:
    policies = [
        policy["Properties"]
        for policy in of_type("AWS::IAM::RolePolicy").values()
        if policy["Properties"]["RoleName"] == {"Ref": role}
    ]
    granted = [
        statement
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Resource"] == {"Ref": "KmsKeyArn"}
    ]
    assert {action for statement in granted for action in as_list(statement["Action"])} >= {
        "kms:Decrypt",
        "kms:GenerateDataKey",
    }
