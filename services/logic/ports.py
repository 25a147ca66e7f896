"""What Logic needs from the world, by role. Every port has a memory adapter and a real one, and
one contract suite that both pass.

All of them raise WhimbrelError UNAVAILABLE when their store does not answer in time. For a
write that means "outcome unknown": the write may have happened, so every write here can be
repeated as it was.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from services.logic.domain.model import (
    Change,
    ClientKey,
    DeadWorker,
    DeviceCursor,
    Placement,
    PushJob,
    RecentSend,
    StoredMessage,
    TimelineEntry,
    WorkerLease,
)


class MessageStore(Protocol):
    """`messages`: what was said, once per (sender, device, client_message_id)."""

    async def insert(self, messages: Sequence[StoredMessage]) -> list[int]:
        """Insert, unordered, majority and journaled. Returns the indexes (into `messages`) that
        were refused because their message_id or their client key exists already: look them up,
        the refused one may be our own from an attempt whose outcome was unknown."""
        ...

    async def find_by_client_keys(
        self, keys: Iterable[ClientKey]
    ) -> dict[ClientKey, StoredMessage]:
        """The stored messages of these keys (majority); absent keys are not in the answer."""
        ...

    async def find(self, ids: Mapping[int, str]) -> dict[int, StoredMessage]:
        """The messages of these ids, each with its sender (the shard key). A row that is no
        message counts as absent. Majority."""
        ...

    async def show(self, ids: Mapping[int, str]) -> dict[int, StoredMessage]:
        """`find` for who only shows them: without digest and, unless they are traced, without
        participants, of which a message to a large group has a thousand."""
        ...

    async def change(self, changes: Sequence[Change]) -> None:
        """Mark the targets, majority and journaled. A recall empties the target and every edit of
        it, for good; an edit replaces the body unless the target is recalled or has a newer edit,
        and is emptied itself when it is recalled. May be repeated, in any order."""
        ...

    def scan_worker(self, worker: int, from_ms: int) -> AsyncIterator[list[StoredMessage]]:
        """All messages minted by `worker` at `from_ms` (Unix milliseconds) or later, ascending,
        in pages of at most 500."""
        ...


class TimelineStore(Protocol):
    """`timelines`: one dense sequence per user. The unique index (user, seq) decides."""

    async def insert(self, entries: Sequence[TimelineEntry]) -> list[int]:
        """Insert, unordered, majority and journaled. Returns the indexes of those that were
        refused because (user, seq) or (user, conversation, message_id) exists already."""
        ...

    async def find_placed(self, placements: Iterable[Placement]) -> dict[Placement, int]:
        """At which seq these messages stand in these timelines (majority); others are absent."""
        ...

    async def heads(self, users: Iterable[str]) -> dict[str, int]:
        """The last seq of each user's timeline, 0 for an empty one. Majority."""
        ...

    async def ahead(self, positions: Mapping[str, int]) -> dict[str, int]:
        """For each user that has any entry at or above its position: a seq that it has (the
        highest that was seen). The others are absent. One query for all; majority."""
        ...

    async def tails(
        self, positions: Mapping[str, int], *, at_most: int
    ) -> dict[str, list[TimelineEntry]] | None:
        """Everything of each user from its position to the head, ascending, in one query for up
        to a hundred users; None when that is more than `at_most` entries in all. Majority."""
        ...

    async def read(self, user: str, from_seq: int, limit: int) -> list[TimelineEntry]:
        """Up to `limit` entries at or above `from_seq`, ascending; holes are simply absent. A row
        that is neither a message's nor a void's comes as `is_damaged`; so do those of `tails`."""
        ...

    async def read_seqs(self, user: str, from_seq: int, to_seq: int) -> list[int]:
        """The seqs that exist in from_seq..to_seq, ascending. Covered by the index."""
        ...


class CursorStore(Protocol):
    """`cursors`: what each device has acknowledged. Never goes back (promise 5)."""

    async def find(self, devices: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """The stored cursors of these (user, device); devices never seen are absent."""
        ...

    async def find_of_users(self, users: Iterable[str]) -> dict[tuple[str, str], int]:
        """The stored cursors of every device of these users, by (user, device). One query for
        all; majority."""
        ...

    async def highest(self, users: Iterable[str]) -> dict[str, int]:
        """The highest stored cursor of each user's devices: what at least one of them has. Users
        without one are absent. One query for all; majority."""
        ...

    async def raise_to(self, cursors: Sequence[DeviceCursor]) -> None:
        """Raise each to at least its value, creating what is absent. Majority, journaled."""
        ...

    async def create(self, cursors: Sequence[DeviceCursor]) -> None:
        """The same for devices that were just found to have none, at a third of the cost; one
        that has got one since is raised. Majority, journaled."""
        ...


class ConversationStore(Protocol):
    """`conversations` and `members`: groups. Direct conversations need no row."""

    async def create_group(
        self, conversation: str, owner: str, members: Sequence[str], name: str, now_ms: int
    ) -> None:
        """Create it with these members (owner first); does nothing if it exists."""
        ...

    async def participants(self, conversations: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Members of each group that exists, in the order in which they joined. One query when
        nothing has changed since the last call. Majority."""
        ...


class WorkerLeases(Protocol):
    """`workers`: which process may mint ids with which worker number."""

    async def acquire(
        self, holder: str, *, now_ms: int, lease_ms: int, reached_ms: int = 0
    ) -> WorkerLease:
        """Take a number that is free: released, or cleaned up, or never used. The new lease's
        not_before_ms lies above every id that the number may have issued. `now_ms` is the
        holder's clock, `reached_ms` the latest millisecond of an id that it has seen, which may
        lie ahead of any clock: until_ms is lease_ms above the later of the two."""
        ...

    async def renew(self, lease: WorkerLease, *, until_ms: int, now_ms: int) -> WorkerLease:
        """Extend it from now_ms on (nothing goes back). Raises WhimbrelError STALE_EPOCH when
        somebody has declared the holder dead: acquire a new one."""
        ...

    async def release(self, lease: WorkerLease, *, last_issued_ms: int) -> None:
        """The goodbye: nothing is half done, and no id above last_issued_ms was issued."""
        ...

    async def claim_dead(self, claimant: str, *, now_ms: int, claim_ms: int) -> DeadWorker | None:
        """Claim one worker that has not renewed for as long as its lease is, without a goodbye,
        for claim_ms; None when there is none. (Its until_ms bounds ids and may lie far ahead.)
        A claim that runs out can be claimed again. From the claim on the dead holder cannot
        renew."""
        ...

    async def finish_dead(self, dead: DeadWorker) -> None:
        """It is cleaned up: the number may be used again, above until_ms."""
        ...


class SeqReservations(Protocol):
    """Redis proposes seqs; it may be lost or behind at any time (promise 8)."""

    async def reserve(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Reserve so many seqs for each user; returns the first of each user's run. Users that
        are not known to it are absent from the answer: raise them and reserve again."""
        ...

    async def raise_to(self, heads: Mapping[str, int]) -> None:
        """Make each counter at least this head, creating those that are absent."""
        ...

    async def read(self, users: Iterable[str]) -> dict[str, int]:
        """The last seq reserved for each user; unknown users are absent."""
        ...


class SendMemory(Protocol):
    """Redis remembers recent sends and newest epochs: a fast path, never the truth."""

    async def look_up(
        self, keys: Sequence[ClientKey], devices: Sequence[tuple[str, str]]
    ) -> tuple[dict[ClientKey, RecentSend], dict[tuple[str, str], int]]:
        """The recent sends among `keys`, and the newest epoch known of each (user, device).
        What is not known is absent. One round trip."""
        ...

    async def remember(self, sends: Sequence[RecentSend]) -> None:
        """Keep them among the last 50 of their sender. Only after commit and fan-out."""
        ...

    async def raise_epochs(self, epochs: Mapping[tuple[str, str], int]) -> None:
        """Make the newest epoch of each (user, device) at least this."""
        ...


class PushQueue(Protocol):
    """Jobs for the push service; losing Redis loses jobs, which heads and cursors bring back."""

    async def enqueue(self, jobs: Sequence[PushJob]) -> None:
        """Add the jobs. At least once; push removes doubles."""
        ...


class Locator(Protocol):
    """The Router's directory, as fan-out needs it."""

    async def locate(self, users: Sequence[str]) -> dict[str, list[str]]:
        """The pods that hold each user, without repeats; an empty list means offline. Raises
        UNAVAILABLE when it does not know: that never means offline (rule 11)."""
        ...


class MediaRights(Protocol):
    """What the gateway has stored of media, and which messages show them."""

    async def look(self, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        """For each (user, media_id) that the user owns, or that a message which was not taken
        back has shown to the user: whether it is complete. Others are absent. Majority."""
        ...
