"""With uploads and HEIC off nothing of them is in the image, and a start reads nothing of them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fixtures import http_events
from tests.unit.handler.service_fakes import FakeContext, make_service

OURS = ("align/heic.py", "align/heif.py", "align/hevc.py", "handler/faces/uploads.py")
PROGRAM = """
import sys
opened = []
sys.addaudithook(lambda name, found: opened.append(str(found[0])) if name == "open" else None)
import json
from handler import app
answer = app.lambda_handler(json.load(open("events/compare-same.json")), None)
assert answer["same"] is True
print(json.dumps(opened))
"""


@pytest.fixture(scope="module")
def opened(root: Path) -> list[str]:
    """What a start and the first answer open, with both settings off."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM], cwd=root, capture_output=True, text=True, check=True
    )
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return names


def test_a_start_reads_nothing_of_them(opened: list[str]) -> None:
    assert any(Path(name).name.startswith("settings.") for name in opened)
    stems = [Path(name).stem for name in OURS]
    for name in opened:
        assert "heif" not in name
        assert Path(name).name.split(".")[0] not in stems, name


def test_the_image_has_no_decoder_unless_it_is_asked_for(root: Path) -> None:
    lock = (root / "requirements/run.txt").read_text(encoding="utf-8")
    assert not re.search("heif|pillow", lock, re.IGNORECASE)
    dockerfile = (root / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^ARG HEIC=(\S+)", dockerfile, re.MULTILINE) == ["off"]
    # A path in the Dockerfile's build stages.
    installs = [line for line in dockerfile.splitlines() if "-r /tmp/heic.txt" in line]
    condition = re.search(r'if \[ "\$HEIC" = on \]; then(.*?)fi', dockerfile, re.DOTALL)
    assert condition
    assert [line for line in installs if line not in condition[1]] == []
    assert re.findall(r"^COPY .*heif|^COPY .*pi_heif", dockerfile, re.MULTILINE) == []


def ask(path: str, body: dict[str, Any], **settings: Any) -> tuple[int, dict[str, Any]]:
    from handler import app

    event = http_events.http_v2(path, json.dumps(body))
    answer = app.dispatch(event, FakeContext(), make_service(**settings))
    return answer["statusCode"], json.loads(answer["body"])


def test_the_refusal_of_a_heic_names_the_setting(root: Path) -> None:
    import base64

    picture = base64.b64encode((root / "fuzz/seeds/heic/plain.heic").read_bytes()).decode()
    status, answer = ask("/v1/detect", {"images": [picture]})
    assert (status, answer["error"]["code"]) == (415, "UnsupportedFormat")
    assert answer["error"]["details"]["setting"] == "FACENET_HEIC"
    assert "FACENET_HEIC=on" in answer["error"]["message"]


def test_the_refusal_of_uploads_names_the_setting() -> None:
    status, answer = ask("/v1/uploads", {"content_type": "image/jpeg"})
    assert (status, answer["error"]["code"]) == (404, "RouteNotFound")
    assert answer["error"]["details"]["setting"] == "FACENET_UPLOADS"


def test_a_form_for_heic_is_refused_where_heic_is_off() -> None:
    status, answer = ask("/v1/uploads", {"content_type": "image/heic"}, uploads="facenet-uploads")
    assert (status, answer["error"]["details"]["setting"]) == (415, "FACENET_HEIC")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"content_type": "image/gif"}, 400),
        ({"content_type": "image/jpeg", "count": 0}, 400),
        ({"content_type": "image/jpeg", "count": 17}, 413),
        ({"content_type": "image/jpeg", "key": "mine"}, 400),
    ],
)
def test_a_wrong_request_for_forms_is_refused(body: dict[str, Any], status: int) -> None:
    assert ask("/v1/uploads", body, uploads="facenet-uploads")[0] == status


def test_delete_without_an_upload_is_refused_before_any_work() -> None:
    stored = {"s3": {"bucket": "photos-of-mine", "key": "a.jpg"}}
    inputs = frozenset({"photos-of-mine"})
    status, answer = ask("/v1/detect", {"images": [stored], "delete": True}, input_buckets=inputs)
    assert (status, answer["error"]["details"]) == (400, {"field": "delete"})
