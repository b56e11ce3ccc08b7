"""What the function prints, over every event and every error, holds nothing of anybody.

Each event runs in the real function; standard output and error are taken at the file descriptors,
so that what native libraries print counts too.
"""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.hostile_pictures import FOREIGN, encode, jpeg_with_exif, self_pointing_exif
from fixtures.odd_pictures import ODD
from fuzz import world
from handler import app, cold_start
from handler.environment import Location
from handler.errors import STATUSES, ApiError
from handler.faces.service import Service
from handler.settings import Settings
from handler.storage import clients
from tests.contract.test_api_errors import RECIPES, FailingStorage
from tests.process_logs import ProcessLogs
from tests.process_logs import check as check_line
from tests.unit.handler.service_fakes import FakeContext

# The shortest part of a picture, vector or key that is looked for.
PART = 12
DIGEST = re.compile(r'"[0-9a-f]{64}"')
PACKED = re.compile(r"[A-Za-z0-9+/]{48,}")
NUMBERS = re.compile(r"-?\d\.\d{4,}")
KEYS = ("plain.jpg", "eileen", "nchen", "IMG_", "holiday", "example-photos", "example-results")


@pytest.fixture(scope="module")
def service() -> Service:
    """The bundled model with both buckets set."""
    made = cold_start.load(Settings.from_environment({"FACENET_THREADS": "1"}))
    settings = replace(
        made.settings,
        input_buckets=frozenset({world.INPUT}),
        output=Location(world.OUTPUT, "faces"),
    )
    return replace(made, settings=settings)


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch, root: Any) -> world.Bucket:
    """S3 as a dictionary of real faces."""
    names = ("eileen_collins_second_face", "no_face", "grace_hopper_second_face")
    pictures = [(root / f"events/pictures/{name}.jpg").read_bytes() for name in names]
    bucket = world.Bucket((*pictures, b"not a picture"))
    monkeypatch.setattr(clients, "client", lambda: bucket)
    return bucket


def names_of_events() -> list[str]:
    from tests.conftest import ROOT

    return sorted(path.stem for path in (ROOT / "events").glob("*.json"))


def texts(node: Any) -> Iterator[str]:
    """Every text inside `node`."""
    if isinstance(node, str):
        yield node
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for each in inner:
        yield from texts(each)


def check_log(printed: str, *secrets: Any) -> None:
    """Fails where the log holds a part of a secret, a key, a vector or a traceback with data."""
    bare = DIGEST.sub("", printed)
    assert "Traceback" not in bare
    assert not PACKED.search(bare), "something like a picture or an embedding"
    assert not NUMBERS.search(bare.replace("duration_ms", "")), "something like an embedding"
    for key in KEYS:
        assert key not in bare, "an object key or a bucket"
    for secret in secrets:
        for text in texts(secret):
            if len(text) > 200:
                middle = len(text) // 2
                assert text[:PART] not in bare
                assert text[middle : middle + PART] not in bare


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "/9j/" * 20,
        "[0.12345, -0.54321]",
        "holiday/a",
        "x" * 300,
    ],
)
def test_a_trace_would_be_noticed(line: str) -> None:
    with pytest.raises(AssertionError):
        check_log(f'{{"message": "{line}"}}', {"images": ["x" * 400]})


@pytest.mark.parametrize(
    "line",
    [
        "/9j/" * 20,
        "[0.12345, -0.54321, 5.4321e-05, 0.00001, ",
        "holiday/a.jpg",
        "x" * 5000,
        "libpng warning: iCCP: profile 'x",
        "Corrupt JPEG data: 2 extraneous bytes before marker 0xdb",
    ],
)
def test_a_trace_in_what_a_process_prints_would_be_noticed(line: str, tmp_path: Path) -> None:
    logs = ProcessLogs(tmp_path)
    logs.keep("first", "harmless\n")
    assert logs.unread() == ["harmless"]
    logs.keep("second", f"harmless\n{line}\n")
    first, second = logs.unread()
    check_line(first)
    with pytest.raises(AssertionError):
        check_line(second)


def test_no_test_throws_away_what_the_function_prints(root: Path) -> None:
    """Only the stand-ins for AWS may be silent: they are not the function."""
    others = {"moto_server.py", "radosgw.py"}
    silent = re.compile(r"std(out|err)=subprocess\.DEVNULL")
    tests = (root / "tests").rglob("*.py")
    assert {path.name for path in tests if silent.search(path.read_text())} <= others


@pytest.mark.parametrize("name", names_of_events())
def test_no_event_leaves_a_trace_of_whom_it_is_about(
    name: str,
    service: Service,
    storage: world.Bucket,
    load_event: Any,
    capfd: pytest.CaptureFixture[str],
) -> None:
    event = load_event(name)
    capfd.readouterr()
    answer = app.dispatch(event, FakeContext(), service)
    out, err = capfd.readouterr()
    check_log(out + err, event, answer)


@pytest.mark.parametrize("code", STATUSES)
def test_no_error_leaves_a_trace_of_whom_it_is_about(
    code: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = RECIPES[code]()
    monkeypatch.setattr(clients, "client", lambda: FailingStorage(recipe.storage))
    app.dispatch(recipe.event, recipe.context, recipe.service)
    out, err = capfd.readouterr()
    assert code in out
    check_log(out + err, recipe.event)
    assert "face.jpg" not in out + err
    assert "photos" not in out + err


def test_an_exception_with_data_in_its_text_is_logged_without_it(
    service: Service, capfd: pytest.CaptureFixture[str], load_event: Any
) -> None:
    class Exploding:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("holiday/IMG_0001.jpg [0.1234567, 0.7654321]")

    broken = replace(service, detector=Exploding())
    answer = app.dispatch(load_event("embed"), FakeContext(), broken)
    assert answer["error"]["code"] == "InternalError"
    out, err = capfd.readouterr()
    assert "RuntimeError" in out
    check_log(out + err)
    assert "IMG_0001" not in json.dumps(answer)


def test_a_failure_that_is_raised_names_no_object(
    service: Service, monkeypatch: pytest.MonkeyPatch, load_event: Any
) -> None:
    """Lambda's runtime prints what is raised, so its text must be fit to print."""
    monkeypatch.setattr(clients, "client", lambda: FailingStorage("SlowDown"))
    for name in ("s3-notification", "s3-in-sns", "eventbridge-object-created"):
        with pytest.raises(Exception, match="SlowDown") as caught:
            app.dispatch(load_event(name), FakeContext(), service)
        check_log(str(caught.value))
    with pytest.raises(ApiError) as refused:
        app.dispatch({"Records": [{"holiday": "IMG_1.jpg"}]}, FakeContext(), service)
    check_log(str(refused.value))


def test_native_libraries_print_nothing_of_a_damaged_picture(
    service: Service, capfd: pytest.CaptureFixture[str]
) -> None:
    pictures = [make() for make in FOREIGN.values()]
    pictures += [encode(kind)[:-40] for kind in ("jpg", "png", "webp")]
    pictures += [jpeg_with_exif(self_pointing_exif())]
    pictures += [make() for make, _ in ODD.values()]
    for data in pictures:
        event = {"operation": "detect", "images": [base64.b64encode(data).decode()]}
        app.dispatch(event, FakeContext(), service)
    out, err = capfd.readouterr()
    check_log(out)
    assert err == ""
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["message"] for line in lines] == ["call"] * len(pictures)
