"""What Logic stores: messages, timeline entries, and the answers that it gives about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from whimbrel.core.attributes import PLAIN, Attributes
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.traceparent import TraceContext


class ClientKey(NamedTuple):
    """What makes a send the same send for ever (promise 3)."""

    sender: str
    device: str
    client_message_id: str


class SendTrace(NamedTuple):
    """A traced send that has come from Access; `arrived_at` is monotonic seconds."""

    context: TraceContext
    parent: TraceContext
    arrived_at: float


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that somebody wants to send: checked for form, not yet stored."""

    key: ClientKey
    conversation: str
    body_kind: int
    body: bytes
    attributes: Attributes = PLAIN
    trace: SendTrace | None = field(default=None, compare=False)
    """None: it is not traced."""

    @property
    def digest(self) -> bytes:
        """16 bytes that tell this content from another under the same client_message_id."""
        said = f"{self.attributes!r}\x00" if self.attributes else ""
        if self.attributes.media_id:
            said += f"{self.attributes.media_id}\x00"
        head = f"{said}{self.conversation}\x00{self.body_kind}\x00".encode()
        return blake2b(head + self.body, digest_size=16).digest()


@dataclass(slots=True)
class StoredMessage:
    """A message as `messages` keeps it. Its participants are those of the moment of sending:
    a completion uses this list and no newer one (rule 2). Nobody changes one; it is not frozen
    because that would make it four times as dear, and pages are made of it."""

    message_id: int
    key: ClientKey
    conversation: str
    participants: tuple[str, ...]
    body_kind: int
    body: bytes
    sent_at_ms: int
    digest: bytes
    """Of the draft: what the body is now may be an edit's."""
    attributes: Attributes = PLAIN
    recalled_by: int = 0
    """message_id of the recall; the body is empty then. 0: it was not taken back."""
    edited_by: int = 0
    """message_id of the newest edit; the body is that edit's. 0: it was not edited."""
    traceparent: str = ""
    """Names the span of its processing, for whoever delivers it later; empty: not traced."""


class Change(NamedTuple):
    """What a committed recall or edit does to an older message of the same sender."""

    target: int
    """message_id of the older message."""
    sender: str
    by: int
    """message_id of the recall or edit."""
    is_recall: bool
    body_kind: int = 0
    body: bytes = b""


class TimelineEntry(NamedTuple):
    """One place in one user's timeline; a void when `message_id` is None."""

    user: str
    seq: int
    message_id: int | None = None
    conversation: str = ""
    sender: str = ""
    late: bool = False
    is_damaged: bool = False
    """Its row says no more than the seq, though it is no void: read only, never stored."""

    @property
    def is_void(self) -> bool:
        """True for a seq that was reserved and never used (rule 5)."""
        return self.message_id is None


class Placement(NamedTuple):
    """Names an entry by what it says and not by where it is (rule 3)."""

    user: str
    conversation: str
    message_id: int


@dataclass(slots=True)
class Committed:
    """A message whose entries are all committed: it may be accepted, fanned out and indexed."""

    message: StoredMessage
    entries: list[TimelineEntry] = field(default_factory=list)

    @property
    def sender_seq(self) -> int:
        """Where the message stands in its sender's own timeline."""
        sender = self.message.key.sender
        return next(entry.seq for entry in self.entries if entry.user == sender)


class Answer(NamedTuple):
    """What a sender is told: the place of a committed message."""

    message_id: int
    seq: int


Outcome = Answer | WhimbrelError


class RecentSend(NamedTuple):
    """A committed and fanned out send, as the fast path remembers it."""

    key: ClientKey
    digest: bytes
    answer: Answer


class DeviceCursor(NamedTuple):
    """Everything up to `cursor` was acknowledged by this device."""

    user: str
    device: str
    cursor: int


class ReadReceipt(NamedTuple):
    """`user` has read everything of the conversation up to `message_id`."""

    user: str
    conversation: str
    message_id: int


class UndeliveredEntry(NamedTuple):
    """An entry that no device of its user has."""

    user: str
    conversation: str
    message_id: int
    seq: int


class PushJob(NamedTuple):
    """Wake `user` about a message, unless its cursor or read mark has passed `seq` by then."""

    user: str
    conversation: str
    sender: str
    message_id: int
    seq: int
    mentions_user: bool = False
    """The message means the user, by name or with everybody; False when it was not looked at."""
    traceparent: str = ""


class WorkerLease(NamedTuple):
    """The right to mint message ids with one worker number.

    Ids carry milliseconds: the holder issues none below `not_before_ms` (its predecessor may
    have used those) and none above `until_ms` (its successor will start there). Rule 8.
    """

    worker: int
    holder: str
    not_before_ms: int
    until_ms: int


class DeadWorker(NamedTuple):
    """A worker whose lease ended without a goodbye, claimed by one survivor (rule 6)."""

    worker: int
    holder: str
    renewed_ms: int
    until_ms: int
