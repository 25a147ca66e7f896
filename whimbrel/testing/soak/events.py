"""The history: what each client did and saw, one event a line, as JSON.

The rule is Jepsen's. An operation is invoked, and ends as `ok` (it happened), `fail` (it did not
happen and never will) or `info` (nobody knows; it may happen later too). An `ok` after an `info`
settles it. `t` is monotonic seconds of the process that records, so events of all clients can
be compared; a client is "user/device". In JSON a message_id is a string, for it has 64 bits.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple


class Run(NamedTuple):
    """The first line: what was asked for."""

    t: float
    seed: int
    settings: dict[str, Any]


class Phase(NamedTuple):
    """The run goes on to `name`: load, settle, end."""

    t: float
    name: str


class Started(NamedTuple):
    """A client program starts as this device; it has been given nothing yet."""

    t: float
    client: str
    reader: str
    """"prompt"; "slow" takes its time over each event; "deaf" never reads and owes nothing."""
    is_durable: bool
    """Whether it has a store that survives it."""


class Stopped(NamedTuple):
    """The client program is gone. `how`: abandoned (as if killed) or left."""

    t: float
    client: str
    how: str


class Attached(NamedTuple):
    """A stream was welcomed; the first seq that comes on it is `first_seq`."""

    t: float
    client: str
    first_seq: int
    head: int
    epoch: int
    confirmed: int | None = None
    """The highest cursor that was confirmed when its Hello was written: a device that moves may
    hear more from the stream that it leaves before the Welcome comes. None: as at this moment."""


class Invoked(NamedTuple):
    """A send begins. Several with one id are one operation, tried again."""

    t: float
    client: str
    id: str
    """The client_message_id."""
    conversation: str
    members: tuple[str, ...]
    """The users who have to get it, the sender included (for her other devices)."""
    digest: str


class Ok(NamedTuple):
    """The sender was told that the message is durable."""

    t: float
    client: str
    id: str
    message_id: int
    seq: int
    conversation: str


class Fail(NamedTuple):
    """The message is not stored, and never will be."""

    t: float
    client: str
    id: str
    code: str


class Info(NamedTuple):
    """Nobody knows whether the message is stored."""

    t: float
    client: str
    id: str
    code: str


class Delivered(NamedTuple):
    """The application was given a message."""

    t: float
    client: str
    seq: int
    message_id: int
    conversation: str
    late: bool
    sender: str
    """The client that sent it."""
    id: str
    digest: str


class Confirmed(NamedTuple):
    """The client was told that its cursor is stored."""

    t: float
    client: str
    cursor: int


class Fault(NamedTuple):
    """Something is done to the cluster; recorded when it begins (`ended` None) and when it ends."""

    t: float
    kind: str
    target: str
    started: float
    ended: float | None


class StoredHead(NamedTuple):
    """The final look: the timeline of `user` ends at `head` and lacks `holes`."""

    t: float
    user: str
    head: int
    holes: tuple[int, ...]


class StoredCursor(NamedTuple):
    """The final look: the stored cursor of a device."""

    t: float
    client: str
    cursor: int


class StoredProblem(NamedTuple):
    """The final look: something else that `timeline_check` found."""

    t: float
    kind: str
    """The kind of violation that it is."""
    text: str


Event = (
    Run | Phase | Started | Stopped | Attached | Invoked | Ok | Fail | Info | Delivered
    | Confirmed | Fault | StoredHead | StoredCursor | StoredProblem
)  # fmt: skip

_KINDS: Final[dict[str, Any]] = {
    "run": Run,
    "phase": Phase,
    "start": Started,
    "stop": Stopped,
    "attach": Attached,
    "invoke": Invoked,
    "ok": Ok,
    "fail": Fail,
    "info": Info,
    "deliver": Delivered,
    "confirm": Confirmed,
    "fault": Fault,
    "stored_head": StoredHead,
    "stored_cursor": StoredCursor,
    "stored_problem": StoredProblem,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}
_LISTS: Final = ("members", "holes")


class HistoryError(ValueError):
    """A line is not one of a history; the text is a sentence for people."""


def encode(event: Event) -> str:
    """The event as a line, without its end."""
    row = {"type": _NAMES[type(event)], **event._asdict()}
    if "message_id" in row:
        row["message_id"] = str(row["message_id"])
    row["t"] = round(row["t"], 6)
    return json.dumps(row, separators=(",", ":"))


def decode(line: str) -> Event:
    """The event of a line. HistoryError for what is none."""
    try:
        row = json.loads(line)
        kind = _KINDS[row.pop("type")]
        if "message_id" in row:
            row["message_id"] = int(row["message_id"])
        for name in _LISTS:
            if name in row:
                row[name] = tuple(row[name])
        event: Event = kind(**row)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HistoryError(
            f"this is no line of a history ({error}): {line.strip()[:120]}"
        ) from None
    return event


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a history file, packed (.gz) or not. OSError; HistoryError when the packing
    is damaged. The last line may be cut off (the recorder was killed): it is left out."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    yield line
    except (EOFError, UnicodeDecodeError, gzip.BadGzipFile) as error:
        raise HistoryError(f"{path} cannot be read to its end: {error}") from None


def read_history(path: Path) -> Iterator[Event]:
    """The events of a history file. Raises as `read_lines` and `decode`."""
    return map(decode, read_lines(path))


def digest_of(body: bytes) -> str:
    """Names a body: 8 bytes of BLAKE2b, in hex."""
    return hashlib.blake2b(body, digest_size=8).hexdigest()


def user_of(client: str) -> str:
    """The user of "user/device"."""
    return client.partition("/")[0]
