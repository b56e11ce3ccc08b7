"""Permissions taken out of the template's text; mutate_template.py does it with all of them."""

from collections import Counter

import pytest

from tests.deploy.mutate_template import copy
from tests.deploy.permissions import SHOWN
from tests.deploy.report import REPORT, Broken
from tests.deploy.template_text import Permission, edits, read

# A statement of a policy, and a property of a resource; both tests fail at once.
SAMPLE = (
    Permission("QueuePolicy", 1, "sqs:*"),
    Permission("RouteHealth", 0, "AuthorizationType"),
)


def held(text: str) -> Counter[tuple[str, str]]:
    """The permissions of a text, whatever the number of their statement."""
    return Counter((each.resource, each.action) for each in edits(text))


def test_each_permission_can_be_taken_out_of_the_text_alone() -> None:
    text = read()
    everything = held(text)
    for each, edit in edits(text).items():
        gone = everything - held(edit.apply(text))
        assert gone == Counter({(each.resource, each.action): 1})


@pytest.mark.parametrize("where", SAMPLE, ids=str)
def test_a_template_without_a_permission_fails_its_test(where: Permission) -> None:
    if where not in SHOWN:
        pytest.skip("only a part of the tests runs")
    with copy() as here:
        reason = here.failure(where, SHOWN[where])
    assert reason
    REPORT.broken.append(Broken(str(where), "template", f"test fails: {reason}"[:100], "-"))
