"""A whole program for Rekognition, against the local server."""

from typing import Any

from handler.rekognition.protocol import OPERATIONS
from tests import rekognition_program


def test_a_program_that_makes_every_call_finds_what_it_should(rekognition: Any) -> None:
    found = rekognition_program.run(rekognition, "program")
    assert found == rekognition_program.EXPECTED
    assert set(found) == set(OPERATIONS), "every operation that is served, and no other"
