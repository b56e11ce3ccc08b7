"""What the session did, for people: printed after the tests."""

from collections.abc import Iterator
from dataclasses import dataclass, field

CONTRACT = "tests/contract/test_template.py"


@dataclass(frozen=True)
class Broken:
    """One permission that was taken away.

    Args:
        where: The resource of the template, and the action.
        how: By what it was shown: an effect, or an evaluation of the policy.
        effect: What happened without it.
        healed: What happened when it was given back.
    """

    where: str
    how: str
    effect: str
    healed: str


@dataclass
class Report:
    host: str = ""
    history: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    not_deployed: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        if not (self.history or self.calls or self.broken):
            return
        yield f"The function was {self.host}."
        yield "Deployments"
        yield from (f"  {line}" for line in self.history)
        yield "Calls"
        yield from (f"  {line}" for line in self.calls)
        if self.broken:
            yield "Permissions taken away, one at a time"
        yield from (
            f"  {row.where} | {row.how} | {row.effect} | {row.healed}" for row in self.broken
        )
        if self.not_deployed:
            yield "Permissions for S3 Vectors, which the emulator does not have"
        yield from (f"  {each} | text | {CONTRACT} fails | -" for each in self.not_deployed)


REPORT = Report()
