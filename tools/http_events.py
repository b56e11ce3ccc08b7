"""The HTTP shapes in which AWS hands a call to a function: made by hand, from its documentation.

Each function takes what differs and returns the whole event; account, host and times are invented.
"""

import base64
from typing import Any

Event = dict[str, Any]
Json = dict[str, Any]

HOST = "facenet123.execute-api.eu-west-1.amazonaws.com"
REQUEST_ID = "5c9e8f34-1d4e-4a1b-9a7e-3b7a2f0c6d11"
CALLER = "203.0.113.10"
AGENT = "curl/7.88.1"
BOUNDARY = "facenet-boundary"
TARGET_GROUP = (
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/facenet/6d0ecf831eec9f09"
)
# 12 March 2026, 19:03:58 UTC, in the forms that the events carry.
EPOCH_MS = 1773342238000
HTTP_TIME = "12/Mar/2026:19:03:58 +0000"


# --- HTTP API (payload format 2.0) and function URLs, which share it --------------------------


def http_v2(
    path: str,
    body: str | None = None,
    *,
    method: str = "POST",
    content_type: str | None = "application/json",
    base64_encoded: bool = False,
    query: str = "",
) -> Event:
    """An HTTP API event; the body comes as text for JSON and as base64 for anything binary."""
    headers = {
        "accept": "*/*",
        "content-length": str(body_length(body, base64_encoded)),
        "host": HOST,
        "user-agent": AGENT,
        "x-amzn-trace-id": "Root=1-69b30f1e-5f0c1b7c2d3e4f5061728394",
        "x-forwarded-for": CALLER,
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }
    if content_type:
        headers["content-type"] = content_type
    event: Event = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "facenet123",
            "domainName": HOST,
            "domainPrefix": "facenet123",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": CALLER,
                "userAgent": AGENT,
            },
            "requestId": "Zx3kHj2ZDoEEPxw=",
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "time": HTTP_TIME,
            "timeEpoch": EPOCH_MS,
        },
        "isBase64Encoded": base64_encoded,
    }
    return event if body is None else {**event, "body": body}


def body_length(body: str | None, base64_encoded: bool) -> int:
    if body is None:
        return 0
    return len(base64.b64decode(body)) if base64_encoded else len(body)


def function_url(path: str, body: str) -> Event:
    """A signed call of a function URL: format 2.0 with its own host and the caller's identity."""
    event = http_v2(path, body)
    host = "abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws"
    context = {
        **event["requestContext"],
        "apiId": host.partition(".")[0],
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "requestId": REQUEST_ID,
        "routeKey": "$default",
        "authorizer": {
            "iam": {
                "accessKey": "AKIAIOSFODNN7EXAMPLE",
                "accountId": "123456789012",
                "callerId": "AIDACKCEVSQ6C2EXAMPLE",
                "cognitoIdentity": None,
                "principalOrgId": None,
                "userArn": "arn:aws:iam::123456789012:user/caller",
                "userId": "AIDACKCEVSQ6C2EXAMPLE",
            }
        },
    }
    headers = {**event["headers"], "host": host}
    return {**event, "routeKey": "$default", "headers": headers, "requestContext": context}


def multipart(path: str, files: dict[str, bytes], fields: dict[str, str]) -> Event:
    """Files and fields, as `curl -F` sends them; API Gateway makes the body base64."""
    parts = [file_part(name, data) for name, data in files.items()]
    parts += [field_part(name, value) for name, value in fields.items()]
    return http_v2(
        path,
        base64.b64encode(b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])).decode(),
        content_type=f"multipart/form-data; boundary={BOUNDARY}",
        base64_encoded=True,
    )


def file_part(filename: str, data: bytes) -> bytes:
    head = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="images"; filename="{filename}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + data + b"\r\n"


def field_part(name: str, value: str) -> bytes:
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
    ).encode()


# --- REST API (payload format 1.0) ------------------------------------------------------------


def rest_v1(path: str, body: str) -> Event:
    """A REST API with one greedy proxy resource; `path` is without the stage."""
    headers = {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "Host": HOST,
        "User-Agent": AGENT,
        "X-Amzn-Trace-Id": "Root=1-69b30f1e-5f0c1b7c2d3e4f5061728394",
        "X-Forwarded-For": CALLER,
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
    }
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": rest_context(path),
        "body": body,
        "isBase64Encoded": False,
    }


def rest_context(path: str) -> Json:
    return {
        "accountId": "123456789012",
        "apiId": "facenet123",
        "domainName": HOST,
        "domainPrefix": "facenet123",
        "extendedRequestId": "Zx3kHj2ZDoEEPxw=",
        "httpMethod": "POST",
        "identity": {
            "accessKey": None,
            "accountId": None,
            "caller": None,
            "cognitoAuthenticationProvider": None,
            "cognitoAuthenticationType": None,
            "cognitoIdentityId": None,
            "cognitoIdentityPoolId": None,
            "principalOrgId": None,
            "sourceIp": CALLER,
            "user": None,
            "userAgent": AGENT,
            "userArn": None,
        },
        "path": f"/prod{path}",
        "protocol": "HTTP/1.1",
        "requestId": REQUEST_ID,
        "requestTime": HTTP_TIME,
        "requestTimeEpoch": EPOCH_MS,
        "resourceId": "abc123",
        "resourcePath": "/{proxy+}",
        "stage": "prod",
    }


# --- Application load balancer ----------------------------------------------------------------


def alb(path: str, body: str, *, multi_value: bool = False) -> Event:
    """The load balancer's event; its target group decides whether headers come as lists."""
    headers = {
        "accept": "*/*",
        "content-type": "application/json",
        "host": "facenet-123456789.eu-west-1.elb.amazonaws.com",
        "user-agent": AGENT,
        "x-amzn-trace-id": "Root=1-69b30f1e-5f0c1b7c2d3e4f5061728394",
        "x-forwarded-for": CALLER,
        "x-forwarded-port": "80",
        "x-forwarded-proto": "http",
    }
    lists = {name: [value] for name, value in headers.items()}
    shape: Json = (
        {"multiValueQueryStringParameters": {}, "multiValueHeaders": lists}
        if multi_value
        else {"queryStringParameters": {}, "headers": headers}
    )
    return {
        "requestContext": {"elb": {"targetGroupArn": TARGET_GROUP}},
        "httpMethod": "POST",
        "path": path,
        **shape,
        "body": body,
        "isBase64Encoded": False,
    }
