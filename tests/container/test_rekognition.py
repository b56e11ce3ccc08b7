"""Amazon Rekognition's client, answered by the built image."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fixtures.lambda_container import LambdaContainer
from tests import rekognition_program
from tools.client import rekognition
from tools.serve import Server

# A path in the container: the one folder that a function on Lambda may write to.
SETTINGS = {"FACENET_REKOGNITION": "on", "FACENET_COLLECTIONS": "/tmp/collections"}


def test_a_program_for_rekognition_runs_against_the_image(
    start: Callable[..., LambdaContainer],
) -> None:
    function = start(environment=SETTINGS)
    server = Server(("127.0.0.1", 0), lambda event, _context: function.invoke(event).json())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        client = rekognition(f"http://127.0.0.1:{server.server_port}")
        assert rekognition_program.run(client, "family") == rekognition_program.EXPECTED
    finally:
        server.shutdown()
        server.server_close()
