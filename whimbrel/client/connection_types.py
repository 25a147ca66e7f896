"""The words of a connection: what lets it in, whom it tells what happens, how it ends."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import grpc

from whimbrel.api.access.v1 import access_pb2
from whimbrel.client.farewell import Farewell

Call = grpc.aio.StreamStreamCall[access_pb2.ConnectRequest, access_pb2.ConnectResponse]


class Host(Protocol):
    """Whom a connection tells what happens. What it raises ends the client."""

    async def on_welcome(self, welcome: access_pb2.Welcome, endpoint: str) -> None:
        """The stream is attached; the dialogue does not know it yet."""

    async def on_frame(self) -> None:
        """The dialogue has taken a frame."""

    async def on_ack(self, cursor: int) -> None:
        """An ack is about to be written."""


class Admission(NamedTuple):
    """What lets a stream in."""

    token: str
    ticket: str = ""
    plan_id: str = ""


@dataclass(frozen=True)
class Ending:
    """How a stream ended: by a Farewell of the server, or for a reason that people may read."""

    reason: str
    was_attached: bool
    farewell: Farewell | None = None
    is_ours: bool = False
    """This side has dropped it: nothing was wrong with the pod or the way to it."""
    was_sent: bool = True
    """Hello has gone out, so the pod may have taken the session."""


class Stage(enum.Enum):
    """Where a stream stands: see Connection."""

    OPENING = "opening"
    PRESENT = "present"
    RETIRING = "retiring"


class StreamDeadError(Exception):
    """The other end does not answer, or does not read."""


def words_of(error: grpc.aio.AioRpcError) -> str:
    """For people: the status that a call ended with."""
    return f"{error.code().name}: {error.details()}"
