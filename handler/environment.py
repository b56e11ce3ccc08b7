"""Variables of the environment as values of their types; a wrong one is refused by name."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

ON = ("on", "true", "yes", "1")
WORST_GROUP: Literal["worst_group"] = "worst_group"

Value = TypeVar("Value")
Environment = Mapping[str, str]


class SettingsError(ValueError):
    """A setting with an invalid value; the message names the variable."""


@dataclass(frozen=True)
class Location:
    """An S3 bucket and the prefix inside it (without a slash at its end, may be empty)."""

    bucket: str
    prefix: str


def read_text(source: Environment, name: str) -> str:
    return source.get(name, "").strip()


def read_variable(
    source: Environment, name: str, parse: Callable[[str], Value], default: Value
) -> Value:
    """The variable `name` through `parse`, whose ValueError says what the variable may hold."""
    text = read_text(source, name)
    if not text:
        return default
    try:
        return parse(text)
    except ValueError as failure:
        raise SettingsError(f"{name} must be {failure}, not {text[:80]!r}") from None


def read_choice(source: Environment, name: str, choices: tuple[str, ...]) -> Any:
    def parse(text: str) -> str | None:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return read_variable(source, name, parse, None)


def read_names(source: Environment, name: str) -> frozenset[str]:
    return frozenset(part.strip() for part in read_text(source, name).split(",") if part.strip())


def at_least(smallest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or len(text) > 12 or int(text) < smallest:
            raise ValueError(f"a whole number of at least {smallest}")
        return int(text)

    return parse


def parse_far(text: str) -> float | Literal["worst_group"]:
    if text == WORST_GROUP:
        return WORST_GROUP
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise ValueError(f"a false-accept rate above 0 and below 1, or {WORST_GROUP}")
    return value


def parse_min_face(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 100_000:
        raise ValueError("a number of pixels (1 or more) or a share of the short side (under 1)")
    return value


def parse_account(text: str) -> str:
    if not (text.isdecimal() and len(text) == 12):
        raise ValueError("a 12-digit AWS account id")
    return text


def parse_location(text: str) -> Location:
    scheme, _, rest = text.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise ValueError("of the form s3://bucket/prefix")
    return Location(bucket, prefix.strip("/"))


def parse_collections(text: str) -> str:
    """`s3://bucket/prefix`, checked, or a folder as an absolute path."""
    if text.startswith("s3://"):
        parse_location(text)
        return text
    if "://" in text:
        raise ValueError("of the form s3://bucket/prefix, or a folder")
    return os.path.abspath(text)


def bucket_of(collections: str | None) -> str | None:
    """The bucket of FACENET_COLLECTIONS; None for a folder."""
    if collections is None or not collections.startswith("s3://"):
        return None
    return parse_location(collections).bucket


def parse_index(text: str) -> str:
    engine, _, bucket = text.partition(":")
    if text != "memory" and not (engine == "s3vectors" and 3 <= len(bucket) <= 63):
        raise ValueError("memory, or s3vectors:VECTOR-BUCKET")
    return text


def parse_switch(text: str) -> bool:
    if text.lower() not in (*ON, "off", "false", "no", "0"):
        raise ValueError("on or off")
    return text.lower() in ON
