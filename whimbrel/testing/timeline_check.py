"""Reads what MongoDB holds and says which promises it breaks. Linear in the number of rows.

It looks at the stores alone, so it needs no trust in the code that wrote them: dense timelines
(promise 2), one entry per participant (promise 3), all or none of the members (promise 1), one
order by message_id (promise 4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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
    participants = {row["_id"]: tuple(row["participants"]) for row in messages}
    report.messages = len(participants)
    timelines: dict[str, list[Row]] = defaultdict(list)
    placed: dict[tuple[int, str], int] = defaultdict(int)
    for row in entries:
        timelines[row["user"]].append(row)
        message_id = row.get("message_id")
        if message_id is None:
            report.voids += 1
        else:
            placed[message_id, row["user"]] += 1
    report.users = len(timelines)
    for user, rows in timelines.items():
        rows.sort(key=lambda row: row["seq"])
        report.entries += len(rows)
        _check_dense(user, rows, report)
        _check_order(user, rows, participants, report)
    for (message_id, user), count in placed.items():
        if count != 1:
            text = f"{message_id} stands {count} times in the timeline of {user}"
            report.add("duplicated", text)
    for message_id, users in participants.items():
        missing = [user for user in users if not placed.get((message_id, user))]
        if missing:
            report.add(
                "lost",
                f"{message_id} is missing in {len(missing)} of {len(users)} timelines, "
                f"of {missing[:3]}",
            )
    for message_id in accepted:
        if message_id not in participants:
            report.add("lost", f"{message_id} was accepted and is not stored")
    return report


def _check_dense(user: str, rows: list[Row], report: TimelineReport) -> None:
    seqs = [row["seq"] for row in rows]
    report.heads[user] = seqs[-1]
    if seqs != list(range(1, len(seqs) + 1)):
        absent = sorted(set(range(1, seqs[-1] + 1)) - set(seqs))
        report.holes[user] = absent
        report.add("holes", f"the timeline of {user} has holes at {absent[:10]}")


def _check_order(
    user: str, rows: list[Row], participants: Mapping[int, tuple[str, ...]], report: TimelineReport
) -> None:
    """Within a conversation message_id grows with seq, late entries aside."""
    highest: dict[str, int] = {}
    for row in rows:
        message_id = row.get("message_id")
        if message_id is None:
            continue
        if user not in participants.get(message_id, ()):
            report.add("phantoms", f"{message_id} is in the timeline of {user}, who has no part")
        conversation = row["conversation"]
        if message_id < highest.get(conversation, 0):
            report.late += 1
        highest[conversation] = max(message_id, highest.get(conversation, 0))


async def check_database(database: Any, accepted: Iterable[int] = ()) -> TimelineReport:
    """`check_timelines` on a database that holds a bounded test's data (all of it is read)."""
    messages = await database.messages.find({}, {"participants": 1}).to_list(None)
    fields = {"_id": 0, "user": 1, "seq": 1, "message_id": 1, "conversation": 1}
    entries = await database.timelines.find({}, fields).to_list(None)
    return check_timelines(messages, entries, accepted)
