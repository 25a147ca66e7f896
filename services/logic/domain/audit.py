"""Reads one timeline beside its messages and says what may not be. Pure.

What is found may still be under way: a commit writes messages before their entries, and a seq is
reserved before it is used. So a finding counts only when a second look, after the time that the
promises allow, finds it too (`confirmed`). No clock is compared with another one that way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from services.logic.domain.model import Placement, TimelineEntry

MAX_FINDINGS: Final = 1000
"""Of one kind in one timeline: who finds so many needs no more, and memory has a bound."""


class Wrong(StrEnum):
    """What may be wrong; the value is how commands, logs and metrics call it."""

    HOLE = "hole"
    """A seq is missing below one that exists (promise 2)."""
    REPEAT = "repeat"
    """A seq is there twice, or a message stands twice in one timeline (promises 2 and 3)."""
    ORPHAN = "orphan"
    """An entry without its message."""
    STRANGER = "stranger"
    """An entry of a message in which the user has no part."""
    MISMATCH = "mismatch"
    """Entry and message name different senders or conversations."""
    MISSING = "missing"
    """A stored message that a participant has no entry for (promise 1)."""
    UNREADABLE = "unreadable"
    """A row that is no entry, or whose message is none; of a page with such a message its first
    seq."""
    AHEAD = "ahead"
    """A device has acknowledged more than the timeline has (promise 5)."""


class Finding(NamedTuple):
    """One thing that is wrong: ids alone, never what was said."""

    wrong: Wrong
    user: str
    seq: int = 0
    """0: it has none (MISSING)."""
    message_id: int = 0
    """0: it is about none (HOLE, AHEAD)."""
    conversation: str = ""


class Outline(NamedTuple):
    """A message without what it says."""

    sender: str
    conversation: str
    participants: Collection[str]


class TimelineAudit:
    """One user's timeline, given page by page in the order of seq."""

    def __init__(self, user: str, first_seq: int = 1) -> None:
        """`first_seq` is the lowest seq that will be given: what is below was not looked at."""
        self.findings: set[Finding] = set()
        self.entries = 0
        self.voids = 0
        self.late = 0
        """Entries below one that the timeline had for their conversation: allowed, and counted."""
        self._user = user
        self._expected = first_seq
        self._seen: set[int] = set()
        self._highest: dict[str, int] = {}

    @property
    def head(self) -> int:
        """The last seq that was given; one below the first when there was none."""
        return self._expected - 1

    def add(self, entries: Iterable[TimelineEntry], outlines: Mapping[int, Outline]) -> None:
        """The next page, and the outlines of its messages as far as they are stored."""
        for entry in entries:
            self.entries += 1
            self._check_seq(entry)
            if entry.is_damaged:
                self._found(Wrong.UNREADABLE, entry)
            elif entry.message_id is None:
                self.voids += 1
            else:
                self._check_message(entry, entry.message_id, outlines.get(entry.message_id))

    def acknowledged(self, cursor: int) -> None:
        """The highest cursor of the user's devices, read before the last page was."""
        if cursor > self.head:
            self.findings.add(Finding(Wrong.AHEAD, self._user, cursor))

    def _check_seq(self, entry: TimelineEntry) -> None:
        if entry.seq < self._expected:
            self._found(Wrong.REPEAT, entry)
            return
        for seq in range(self._expected, min(entry.seq, self._expected + MAX_FINDINGS)):
            self.findings.add(Finding(Wrong.HOLE, self._user, seq))
        self._expected = entry.seq + 1

    def _check_message(
        self, entry: TimelineEntry, message_id: int, outline: Outline | None
    ) -> None:
        if message_id in self._seen:
            self._found(Wrong.REPEAT, entry)
        self._seen.add(message_id)
        if outline is None:
            self._found(Wrong.ORPHAN, entry)
        elif self._user not in outline.participants:
            self._found(Wrong.STRANGER, entry)
        elif (entry.sender, entry.conversation) != (outline.sender, outline.conversation):
            self._found(Wrong.MISMATCH, entry)
        highest = self._highest.get(entry.conversation, 0)
        self.late += message_id < highest
        self._highest[entry.conversation] = max(message_id, highest)

    def _found(self, wrong: Wrong, entry: TimelineEntry) -> None:
        finding = Finding(wrong, self._user, entry.seq, entry.message_id or 0, entry.conversation)
        self.findings.add(finding)


def places_of(outlines: Mapping[int, Outline]) -> Iterator[Placement]:
    """Where each of these messages has to stand."""
    for message_id, outline in outlines.items():
        for user in outline.participants:
            yield Placement(user, outline.conversation, message_id)


def some_places(outlines: Mapping[int, Outline], at_most: int, salt: int) -> list[Placement]:
    """`places_of` these, but of each message only so many that there are about `at_most` in all.
    Which ones, its id and the salt decide: looks with another salt see others."""
    each = max(1, at_most // max(1, len(outlines)))
    places: list[Placement] = []
    for message_id, outline in outlines.items():
        people = list(outline.participants)
        if len(people) > each:
            first = (message_id + salt) % len(people)
            people = [*people[first:], *people[:first]][:each]
        places += [Placement(user, outline.conversation, message_id) for user in people]
    return places[:at_most]


def missing_among(places: Iterable[Placement], placed: Collection[Placement]) -> set[Finding]:
    """The participants who have no entry, as findings; `placed` is what stands."""
    return {
        Finding(Wrong.MISSING, place.user, 0, place.message_id, place.conversation)
        for place in places
        if place not in placed
    }


def confirmed(before: Collection[Finding], now: Collection[Finding]) -> list[Finding]:
    """What two looks have both found, sorted."""
    return sorted(set(before) & set(now))
