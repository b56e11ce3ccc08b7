"""The ways to the service: HTTP, a direct invocation, and the protocol of Amazon Rekognition."""

import json
import re
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from tools.client.answers import CallError, Json, answer_of
from tools.client.calls import Client

TIMEOUT_S = 35
# https://docs.aws.amazon.com/general/latest/gr/: the host says service and region.
AWS_HOST = re.compile(
    r"\.(?:(?P<lambda>lambda-url)\.(?P<url_region>[a-z0-9-]+)\.on\.aws"
    r"|execute-api\.(?P<api_region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?)$"
)


ROUTES = {
    "list_collections": ("GET", "collections"),
    "create_collection": ("PUT", "collections/{collection}"),
    "describe_collection": ("GET", "collections/{collection}"),
    "delete_collection": ("DELETE", "collections/{collection}"),
    "enrol": ("POST", "collections/{collection}/faces"),
    "delete_face": ("DELETE", "collections/{collection}/faces/{face}"),
    "list_persons": ("GET", "collections/{collection}/persons"),
    "describe_person": ("GET", "collections/{collection}/persons/{person}"),
    "delete_person": ("DELETE", "collections/{collection}/persons/{person}"),
    "search": ("POST", "collections/{collection}/search"),
}


def over_http(url: str, session: Any = None) -> Client:
    """Calls `url`/v1/...; requests to API Gateway and function URLs are signed."""
    place = AWS_HOST.search(urlsplit(url).hostname or "")
    http = URLLib3Session(timeout=TIMEOUT_S)

    def call(operation: str, body: Json) -> Json:
        method, path, content = route_of(operation, body)
        request = AWSRequest(
            method=method,
            url=f"{url.rstrip('/')}/v1/{path}",
            data=json.dumps(content).encode() if content else b"",
            headers={"Content-Type": "application/json"},
        )
        if place:
            sign(request, place, session or boto3.Session())
        response = http.send(request.prepare())
        return answer_of(response.status_code, response.content)

    return Client(call)


def route_of(operation: str, body: Json) -> tuple[str, str, Json]:
    """Method, path below /v1/ and JSON body of an operation; lists have a query and no body."""
    if operation not in ROUTES:
        return "POST", operation, body
    method, path = ROUTES[operation]
    named = {name: quote(str(body[name]), safe="") for name in re.findall(r"{(\w+)}", path)}
    rest = {name: value for name, value in body.items() if name not in named}
    if method == "GET" and rest:
        return method, f"{path.format(**named)}?{urlencode(rest)}", {}
    return method, path.format(**named), rest


def sign(request: AWSRequest, place: re.Match[str], session: Any) -> None:
    credentials = session.get_credentials()
    if credentials is None:
        raise CallError(403, "NoCredentials", "no AWS credentials found; run `aws configure`")
    service = "lambda" if place["lambda"] else "execute-api"
    region = place["url_region"] or place["api_region"]
    SigV4Auth(credentials.get_frozen_credentials(), service, region).add_auth(request)


def over_lambda(function: str, client: Any = None) -> Client:
    """Invokes a function directly, by name or ARN, without any HTTP front."""
    service = client or boto3.client("lambda")

    def call(operation: str, body: Json) -> Json:
        response = service.invoke(
            FunctionName=function, Payload=json.dumps({"operation": operation, **body}).encode()
        )
        status = 500 if "FunctionError" in response else 200
        return answer_of(status, response["Payload"].read())

    return Client(call)


def rekognition(url: str, session: Any = None) -> Any:
    """boto3's client of Amazon Rekognition, answered by the function at `url`.

    Its calls are signed for the service that stands at the address, API Gateway or Lambda; a local
    server takes any signature, so there credentials are made up where none are found.
    """
    place = AWS_HOST.search(urlsplit(url).hostname or "")
    session = session or boto3.Session()
    options: Json = {"region_name": session.region_name or "us-east-1"}
    if place:
        options["region_name"] = place["url_region"] or place["api_region"]
    elif session.get_credentials() is None:
        options |= {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
    client = session.client("rekognition", endpoint_url=url, **options)
    if place:
        service = "lambda" if place["lambda"] else "execute-api"

        def sign_for_gateway(request: Any, **_: Any) -> None:
            request.context.setdefault("signing", {})["signing_name"] = service

        client.meta.events.register("before-sign.rekognition", sign_for_gateway)
    return client
