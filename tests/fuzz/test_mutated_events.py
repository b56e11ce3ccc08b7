"""Every kind of event, with anything in any place of it, gets a typed answer."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz import world
from fuzz.make_seeds import SEEDS
from fuzz.targets import read_event
from handler.environment import Location
from tests.unit.handler.service_fakes import make_service

# Of every kind that events/ has, with smaller pictures.
EVENTS = {path.name: read_event(path.read_bytes()) for path in sorted(SEEDS.glob("handle/*"))}
SERVICE = make_service(
    limits={"images": 4, "pixels": 300_000},
    input_buckets=frozenset({world.INPUT}),
    output=Location(world.OUTPUT, "faces"),
)
TRIED = {"events": 0}

texts = st.text(max_size=12) | st.sampled_from(
    # Hypothesis makes no lone surrogates of its own accord; JSON can hold them.
    ["aws:s3", "aws:sqs", "aws:sns", "k", "1.0", "{}", "\ud800", "a\udfff"]
)
numbers = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 2**63, 2**64])
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
GONE = object()


@dataclass(frozen=True)
class Another:
    """Stands for another event, whole."""

    name: str


changes = st.one_of(
    st.tuples(st.integers(0, 10_000), anything | st.just(GONE)),
    st.tuples(st.integers(0, 10_000), st.sampled_from(sorted(EVENTS)).map(Another)),
)


@pytest.fixture(scope="module", autouse=True)
def count_them() -> Iterator[None]:
    yield
    print(f"{TRIED['events']} mutated events tried")


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) inside `node`, outer ones first."""
    keys = node if isinstance(node, dict) else range(len(node) if isinstance(node, list) else 0)
    for key in keys:
        yield node, key
        yield from places(node[key])


def change(event: Any, place: int, value: Any) -> Any:
    """`event` with another value somewhere, or with nothing there."""
    found = list(places(event))
    if not found:
        return event
    container, key = found[place % len(found)]
    if value is GONE:
        del container[key]
    else:
        container[key] = value
    return event


def message(value: Any) -> Any:
    """The JSON object that a text holds; None for anything else, such as an earlier change."""
    try:
        return json.loads(value) if isinstance(value, str) and value.startswith("{") else None
    except ValueError:
        return None


def nested(event: Any, place: int, value: Any) -> Any:
    """The same inside the JSON text of the first message, if the event has messages."""
    for container, key in places(event):
        inner = message(container[key]) if key in ("body", "Message", "message") else None
        if inner is not None:
            container[key] = json.dumps(change(inner, place, "" if value is GONE else value))
            return event
    return change(event, place, value)


@pytest.mark.parametrize("name", EVENTS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(edits=st.lists(changes, min_size=1, max_size=3), inside=st.booleans())
def test_a_mutated_event_gets_a_typed_answer(name: str, edits: Any, inside: bool) -> None:
    event = copy.deepcopy(EVENTS[name])
    for place, value in edits:
        value = copy.deepcopy(EVENTS[value.name]) if isinstance(value, Another) else value
        event = nested(event, place, value) if inside else change(event, place, value)
    TRIED["events"] += 1
    with world.fenced():
        world.answer(event, SERVICE)


@pytest.mark.parametrize("name", EVENTS)
def test_a_bug_is_not_mistaken_for_an_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    reached = []
    for method in ("run", "embed_pictures"):
        monkeypatch.setattr(type(SERVICE), method, lambda *_, **__: reached.append(0) or broken())
    with world.fenced():
        try:
            world.answer(EVENTS[name], SERVICE)
        except world.BrokenPromise:
            return
    assert not reached
