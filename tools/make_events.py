"""Writes events/*.json: one call of every direct and HTTP kind, with real pictures inside.

    python -m tools.make_events

The events are what AWS delivers, field for field, with an invented account. They are used by the
tests, the documentation and `sam local invoke -e events/NAME.json`.
"""

import argparse
import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tools.http_events import Event, Json, alb, function_url, http_v2, multipart, rest_v1

EVENTS = Path(__file__).resolve().parent.parent / "events"
PICTURES = EVENTS / "pictures"

SAME = ("eileen_collins", "eileen_collins_second")
DIFFERENT = ("eileen_collins_second", "grace_hopper")


def picture(name: str) -> bytes:
    return (PICTURES / f"{name}.jpg").read_bytes()


def encoded(name: str) -> str:
    return base64.b64encode(picture(name)).decode()


def images(names: tuple[str, ...]) -> Json:
    return {"cnt": len(names), "images": [encoded(name) for name in names]}


def direct(operation: str, names: tuple[str, ...], **options: Any) -> Event:
    return {"operation": operation, **images(names), **options}


def compact(body: Json) -> str:
    return json.dumps(body, separators=(",", ":"))


def compare_body() -> str:
    return compact(images(SAME))


def form() -> Event:
    files = {f"{name}.jpg": picture(name) for name in SAME}
    return multipart("/v1/compare", files, {"face": "largest"})


def bare_image() -> Event:
    """One picture as the whole body: `curl --data-binary @face.jpg -H content-type:image/jpeg`."""
    event = http_v2(
        "/v1/embed",
        encoded("eileen_collins"),
        content_type="image/jpeg",
        base64_encoded=True,
        query="encoding=base64",
    )
    return {**event, "queryStringParameters": {"encoding": "base64"}}


def service() -> Event:
    """`curl -X POST .../service -T test.json`: no content type, so the gateway sends base64."""
    packed = json.dumps(images(("eileen_collins_face", "eileen_collins_second_face")))
    body = base64.b64encode(packed.encode()).decode()
    return http_v2("/service", body, content_type=None, base64_encoded=True)


MAKERS: Mapping[str, Callable[[], Event]] = {
    "compare-same": lambda: direct("compare", SAME),
    "compare-different": lambda: direct("compare", DIFFERENT),
    "compare-all": lambda: direct("compare", ("grace_hopper_second", "two_people"), face="all"),
    "embed": lambda: direct("embed", ("eileen_collins",), encoding="base64"),
    "detect": lambda: direct("detect", ("two_people",)),
    "aligned": lambda: direct(
        "compare", ("grace_hopper_face", "grace_hopper_second_face"), aligned=True
    ),
    "no-face": lambda: direct("compare", ("eileen_collins_second", "no_face")),
    "service": service,
    "http-api-v2": lambda: http_v2("/v1/compare", compare_body()),
    "http-api-v2-health": lambda: http_v2("/v1/health", method="GET", content_type=None),
    "http-api-v2-multipart": form,
    "http-api-v2-image": bare_image,
    "rest-v1": lambda: rest_v1("/v1/compare", compare_body()),
    "function-url": lambda: function_url("/v1/compare", compare_body()),
    "alb": lambda: alb("/v1/compare", compare_body()),
    "alb-multi-value": lambda: alb("/v1/compare", compare_body(), multi_value=True),
}


def render(event: Event) -> str:
    return json.dumps(event, indent=2) + "\n"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="write events/*.json from events/pictures")
    parser.add_argument("--out", type=Path, default=EVENTS, help="folder to write to")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, make in MAKERS.items():
        text = render(make())
        (options.out / f"{name}.json").write_text(text)
        print(f"{name}.json: {len(text):,} bytes")


if __name__ == "__main__":
    main()
