"""Where a command finds the service: options that several commands share."""

import argparse

from tools.client.calls import Client
from tools.client.transport import over_http, over_lambda


def add_target(parser: argparse.ArgumentParser) -> None:
    """Adds --url and --function, of which one may be given."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", default="http://127.0.0.1:8080", help="(%(default)s)")
    where.add_argument("--function", help="name or ARN of the Lambda function, called directly")


def client_of(options: argparse.Namespace) -> Client:
    """The client of what the options name."""
    return over_lambda(options.function) if options.function else over_http(options.url)
