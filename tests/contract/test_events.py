"""The events are what their makers write, and hold real pictures that fit where AWS puts them."""

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fixtures import make_events, make_pictures

SYNC_LIMIT = 6 * 1024 * 1024
NAMES = sorted(make_events.MAKERS)
# The others have no JSON to look into: a form, a bare picture, a GET.
WITH_JSON = [name for name in NAMES if not name.startswith("http-api-v2-")]


def body_of(event: dict[str, Any]) -> Any:
    """The JSON that the caller sent, out of any of the shapes."""
    if "body" not in event:
        return event
    body = event["body"]
    return json.loads(base64.b64decode(body) if event["isBase64Encoded"] else body)


@pytest.mark.parametrize("name", NAMES)
def test_committed_event_is_what_the_command_writes(name: str, root: Path) -> None:
    committed = (root / "events" / f"{name}.json").read_text()
    assert committed == make_events.render(make_events.MAKERS[name]())


@pytest.mark.parametrize("name", NAMES)
def test_event_is_small_enough_to_send_and_to_keep(name: str, root: Path) -> None:
    assert (root / "events" / f"{name}.json").stat().st_size < 300_000 < SYNC_LIMIT


@pytest.mark.parametrize("name", WITH_JSON)
def test_every_image_inside_an_event_decodes(name: str, load_event: Any) -> None:
    request = body_of(load_event(name))
    assert request["cnt"] == len(request["images"]) > 0
    for image in request["images"]:
        data = np.frombuffer(base64.b64decode(image, validate=True), np.uint8)
        assert cv2.imdecode(data, cv2.IMREAD_COLOR) is not None


def test_binary_bodies_are_base64_and_json_bodies_are_text(load_event: Any) -> None:
    for name in NAMES:
        event = load_event(name)
        if "body" not in event:
            continue
        headers = event.get("headers") or {k: v[0] for k, v in event["multiValueHeaders"].items()}
        kind = {key.lower(): value for key, value in headers.items()}.get("content-type", "")
        assert event["isBase64Encoded"] is (kind != "application/json"), name


def test_multipart_body_holds_both_pictures_whole(load_event: Any) -> None:
    body = base64.b64decode(load_event("http-api-v2-multipart")["body"])
    for name in make_events.SAME:
        assert make_events.picture(name) in body


def test_events_folder_explains_every_event(root: Path) -> None:
    text = (root / "events" / "README.md").read_text()
    names = [path.stem for path in (root / "events").glob("*.json")]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_pictures_are_small(root: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in (root / "events/pictures").glob("*.jpg")}
    assert len(sizes) == 10
    assert max(sizes.values()) <= make_pictures.MAX_BYTES


def test_second_view_is_darker_smaller_and_not_a_copy(root: Path) -> None:
    folder = root / "events" / "pictures"
    for name in ("eileen_collins", "grace_hopper"):
        first, second = (cv2.imread(str(folder / f"{name}{end}.jpg")) for end in ("", "_second"))
        assert second.shape[0] < first.shape[0]
        assert second.mean() < 0.85 * first.mean()


def test_grace_hopper_is_the_picture_of_the_matplotlib_wheel(root: Path) -> None:
    source = make_pictures.find_installed(make_pictures.HOPPER)
    if source is None:
        pytest.skip("matplotlib is not installed")
    pixels = make_pictures.read_source(source, make_pictures.HOPPER)
    check_views(make_pictures.views(make_pictures.GRACE, make_pictures.scaled(pixels, 0.8)), root)


def check_views(views: dict[str, Any], root: Path) -> None:
    """JPEG bytes differ between OpenCV versions: the pixels are compared, within its loss."""
    for name, (pixels, _) in views.items():
        committed = cv2.imread(str(root / "events" / "pictures" / name))
        assert committed.shape == pixels.shape
        assert np.abs(committed.astype(float) - pixels).mean() < 4.0, name
