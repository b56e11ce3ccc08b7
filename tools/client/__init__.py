"""A small client: plain HTTP for a local server, signed (SigV4) requests for AWS.

>>> client = over_http("https://abc.lambda-url.eu-west-1.on.aws")
>>> client.compare("a.jpg", "b.jpg")["same"]
True

Credentials are found as by every AWS tool: environment, profile, role.

Pictures that do not fit into a request are sent to the function's upload bucket, and removed once
they are answered. Without such a bucket they are reduced here. `python -m tools.client` is the
command line.
"""

from tools.client.answers import CallError
from tools.client.calls import Client
from tools.client.transport import over_http, over_lambda, rekognition

__all__ = ["CallError", "Client", "over_http", "over_lambda", "rekognition"]
