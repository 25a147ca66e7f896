"""Reads what MongoDB holds and says which promises it breaks. Linear in the number of rows.

It looks at the stores alone, so it needs no trust in the code that wrote them, and it checks as
the auditor does (`services.logic.domain.audit`), but everything at once: dense timelines
(promise 2), one entry per participant (promise 3), all or none of the members (promise 1), one
order by message_id (promise 4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from services.logic.domain.audit import (
    Finding,
    Outline,
    TimelineAudit,
    Wrong,
    missing_among,
    places_of,
)
from services.logic.domain.model import Placement, TimelineEntry

Row = Mapping[str, Any]


class Problem(NamedTuple):
    """Something that is wrong, as a kind of violation (see `soak.verdict.KINDS`) and a sentence."""

    kind: str
    text: str


@dataclass
class TimelineReport:
    """What was counted and what is wrong; nothing is wrong when `problems` is empty."""

    users: int = 0
    entries: int = 0
    voids: int = 0
    messages: int = 0
    late: int = 0
    found: list[Problem] = field(default_factory=list)
    heads: dict[str, int] = field(default_factory=dict)
    """The last seq of each timeline."""
    holes: dict[str, list[int]] = field(default_factory=dict)
    """By user; each of them is among the problems too."""

    @property
    def problems(self) -> list[str]:
        """What is wrong, as sentences."""
        return [problem.text for problem in self.found]

    def add(self, kind: str, text: str) -> None:
        """Something is wrong."""
        self.found.append(Problem(kind, text))

    def __str__(self) -> str:
        counts = (
            f"{self.messages} messages, {self.users} timelines, {self.entries} entries, "
            f"{self.voids} voids, {self.late} late"
        )
        return "\n".join([counts, *self.problems[:20]])


def check_timelines(
    messages: Iterable[Row], entries: Iterable[Row], accepted: Iterable[int] = ()
) -> TimelineReport:
    """Check rows of `messages` and `timelines`, and that every message_id in `accepted` (what
    senders were told) is stored and in each participant's timeline exactly once."""
    report = TimelineReport()
    outlines = {row["_id"]: _outline(row) for row in messages}
    report.messages = len(outlines)
    timelines: dict[str, list[TimelineEntry]] = defaultdict(list)
    placed: set[Placement] = set()
    for row in entries:
        entry = _entry(row)
        timelines[entry.user].append(entry)
        if entry.message_id is not None:
            outline = outlines.get(entry.message_id)
            conversation = outline.conversation if outline else entry.conversation
            placed.add(Placement(entry.user, conversation, entry.message_id))
    report.users = len(timelines)
    for user, rows in timelines.items():
        rows.sort(key=lambda entry: entry.seq)
        audit = TimelineAudit(user)
        audit.add(rows, outlines)
        report.entries += audit.entries
        report.voids += audit.voids
        report.late += audit.late
        report.heads[user] = audit.head
        _tell(user, audit.findings, report)
    missing: dict[int, list[str]] = defaultdict(list)
    for finding in sorted(missing_among(places_of(outlines), placed)):
        missing[finding.message_id].append(finding.user)
    for message_id, users in missing.items():
        report.add(
            "lost",
            f"{message_id} is missing in {len(users)} of "
            f"{len(outlines[message_id].participants)} timelines, of {users[:3]}",
        )
    for message_id in accepted:
        if message_id not in outlines:
            report.add("lost", f"{message_id} was accepted and is not stored")
    return report


def _tell(user: str, findings: Iterable[Finding], report: TimelineReport) -> None:
    """What the audit of one timeline has found, as kinds of violations."""
    for finding in sorted(findings):
        if finding.wrong is Wrong.HOLE:
            report.holes.setdefault(user, []).append(finding.seq)
        else:
            kind = "duplicated" if finding.wrong is Wrong.REPEAT else "phantoms"
            what = f"{finding.message_id or 'a void'} at {finding.seq} in the timeline of {user}"
            report.add(kind, f"{finding.wrong.value}: {what}")
    if absent := report.holes.get(user):
        report.add("holes", f"the timeline of {user} has holes at {absent[:10]}")


def _outline(row: Row) -> Outline:
    return Outline(row["sender"], row["conversation"], tuple(row["participants"]))


def _entry(row: Row) -> TimelineEntry:
    message_id = row.get("message_id")
    if message_id is None:
        return TimelineEntry(row["user"], row["seq"])
    return TimelineEntry(row["user"], row["seq"], message_id, row["conversation"], row["sender"])


async def check_database(database: Any, accepted: Iterable[int] = ()) -> TimelineReport:
    """`check_timelines` on a database that holds a bounded test's data (all of it is read)."""
    outline = {"participants": 1, "sender": 1, "conversation": 1}
    messages = await database.messages.find({}, outline).to_list(None)
    fields = {"_id": 0, "user": 1, "seq": 1, "message_id": 1, "conversation": 1, "sender": 1}
    entries = await database.timelines.find({}, fields).to_list(None)
    return check_timelines(messages, entries, accepted)
