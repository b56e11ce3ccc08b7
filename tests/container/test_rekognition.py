"""Amazon Rekognition's client, answered by the built image."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fixtures.lambda_container import LambdaContainer
from tools.client import rekognition
from tools.serve import Server

PICTURES = Path(__file__).resolve().parents[2] / "events" / "pictures"
SETTINGS = {"FACENET_REKOGNITION": "on", "FACENET_COLLECTIONS": "/tmp/collections"}


def image(name: str) -> dict[str, Any]:
    return {"Bytes": (PICTURES / f"{name}.jpg").read_bytes()}


def test_a_program_for_rekognition_runs_against_the_image(
    start: Callable[..., LambdaContainer],
) -> None:
    function = start(environment=SETTINGS)
    server = Server(("127.0.0.1", 0), lambda event, _context: function.invoke(event).json())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        client = rekognition(f"http://127.0.0.1:{server.server_port}")
        client.create_collection(CollectionId="family")
        for name in ("grace_hopper", "eileen_collins"):
            client.index_faces(CollectionId="family", Image=image(name), ExternalImageId=name)
        found = client.search_faces_by_image(
            CollectionId="family", Image=image("grace_hopper_second")
        )
        matched = [match["Face"]["ExternalImageId"] for match in found["FaceMatches"]]
        compared = client.compare_faces(
            SourceImage=image("grace_hopper"), TargetImage=image("two_people")
        )
        client.delete_collection(CollectionId="family")
    finally:
        server.shutdown()
        server.server_close()
    assert matched == ["grace_hopper"]
    assert (len(compared["FaceMatches"]), len(compared["UnmatchedFaces"])) == (1, 1)
