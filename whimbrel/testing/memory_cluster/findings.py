"""The verdict on a world: the soak's checker on its history, the stores as they are at the end,
and what only a world can ask (see `record`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.logic.domain.model import ClientKey
from whimbrel.testing.memory_cluster.world import World
from whimbrel.testing.soak.checker import check
from whimbrel.testing.soak.events import (
    Delivered,
    Event,
    Invoked,
    Ok,
    Started,
    StoredCursor,
    StoredHead,
)
from whimbrel.testing.timeline_check import check_timelines


@dataclass
class Findings:
    """What is wrong; the promises hold when `kinds` is empty."""

    kinds: Counter[str] = field(default_factory=Counter)
    texts: list[str] = field(default_factory=list)

    def add(self, kind: str, text: str, count: int = 1) -> None:
        """One more."""
        self.kinds[kind] += count
        self.texts.append(f"{kind}: {text}")

    def __str__(self) -> str:
        return "\n".join([str(dict(self.kinds)), *self.texts[:20]])


def verdict_of(world: World) -> Findings:
    """Judge a world that has ended."""
    findings = Findings()
    _judge_history(world, findings)
    _judge_stores(world, findings)
    _judge_promptness(world, findings)
    _judge_replies(world, findings)
    for kind, texts in (
        ("broken_words", world.record.broken_words),
        ("unanswered", world.record.unanswered),
        ("cursors_back", world.record.problems),
        ("crashed", world.crashes),
    ):
        for text in texts:
            findings.add(kind, text)
    return findings


def _judge_history(world: World, findings: Findings) -> None:
    verdict = check(_events(world))
    for violation in verdict.shown:
        findings.add(violation.kind, violation.text, 0)
    findings.kinds.update({kind: count for kind, count in verdict.counts.items() if count})
    findings.kinds = +findings.kinds
    if verdict.seconds_to_heads is not None and verdict.is_late:
        findings.add("late_heads", f"{verdict.seconds_to_heads:.1f} s")


def _events(world: World) -> Iterator[Event]:
    """The record; who has to get a message is what the store says, for members come and go."""
    participants = {
        message.key: message.participants for message in world.stores.messages.by_id.values()
    }
    now = 0.0
    memory = _Memory()
    for event in world.record.events:
        now = event.t
        if isinstance(event, Invoked):
            user, device = event.client.split("/")
            members = participants.get(ClientKey(user, device, event.id), event.members)
            yield event._replace(members=members)
        elif isinstance(event, Delivered):
            yield memory.excused(event)
        else:
            if isinstance(event, Started):
                memory.started(event.client)
            yield event
    for user, device in ((one.user, one.name) for one in world.people.devices):
        cursor = world.stores.cursors.cursors.get((user, device), 0)
        yield StoredCursor(now, f"{user}/{device}", cursor)
    for user in world.people.users:
        seqs = set(world.stores.timelines.entries.get(user, {}))
        head = max(seqs, default=0)
        yield StoredHead(now, user, head, tuple(sorted(set(range(1, head + 1)) - seqs)))


class _Memory:
    """What the applications have shown. A program that was started again does not know what it
    had shown before, so it cannot call late what only the change of the writing pod made late
    (see whimbrel.core.lateness): that is the one thing that is excused here."""

    def __init__(self) -> None:
        self._ever: dict[tuple[str, str], int] = {}
        self._run: dict[tuple[str, str], int] = {}

    def started(self, client: str) -> None:
        """A new run of the program."""
        for key in [key for key in self._run if key[0] == client]:
            del self._run[key]

    def excused(self, event: Delivered) -> Delivered:
        """The event, called late where the program could not know."""
        key, message_id = (event.client, event.conversation), event.message_id
        ever, run = self._ever.get(key, 0), self._run.get(key, 0)
        self._ever[key], self._run[key] = max(ever, message_id), max(run, message_id)
        return event._replace(late=True) if run < message_id < ever else event


def _judge_stores(world: World, findings: Findings) -> None:
    stores = world.stores
    accepted = {event.message_id for event in world.record.events if isinstance(event, Ok)}
    report = check_timelines(
        [
            {
                "_id": message_id,
                "participants": message.participants,
                "sender": message.key.sender,
                "conversation": message.conversation,
            }
            for message_id, message in stores.messages.by_id.items()
        ],
        [entry._asdict() for rows in stores.timelines.entries.values() for entry in rows.values()],
        accepted,
    )
    for problem in report.problems:
        findings.add("timelines", problem)


def _judge_promptness(world: World, findings: Findings) -> None:
    """From the moment when a message was accepted, its reader idle and the last fault over."""
    record = world.record
    for given in record.given:
        due = max(record.accepted_at.get(given.message_id, given.t), given.since)
        for begin, end in sorted(record.faults):
            if begin <= given.t and end >= due:
                due = min(end, given.t)
        if given.t - due > world.plan.prompt_seconds:
            findings.add("deaf", f"{given.client} waited {given.t - due:.1f} s at {given.t:.1f}")


def _judge_replies(world: World, findings: Findings) -> None:
    """Who has seen a message and answers it gets a higher message_id (promise 4, rule 7)."""
    ids = {event.id: event.message_id for event in world.record.events if isinstance(event, Ok)}
    for reply in world.record.replies:
        if ids.get(reply.id, reply.after + 1) <= reply.after:
            findings.add("reply_first", f"{reply.id} sorts before {reply.after}")
