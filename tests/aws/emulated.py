"""A handler for the runtime emulator: the stand-in function on buckets from the environment."""

import os
from typing import Any

from tests.aws import stand_in

SERVICE = stand_in.StandIn(stand_in.settings([os.environ["TEST_INPUT"]], os.environ["TEST_OUTPUT"]))


def lambda_handler(event: Any, context: Any) -> Any:
    return stand_in.invoke(SERVICE, event, context)
