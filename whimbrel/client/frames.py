"""The frames of a stream that need more than a line: Hello, and the words of a move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whimbrel.api.access.v1 import access_pb2
from whimbrel.core.migration import MoveAnswer

PROTOCOL_VERSION: Final = 1
_REASON_CHARACTERS: Final = 128


@dataclass(frozen=True, slots=True)
class Introduction:
    """What every Hello of one client object says alike."""

    device_id: str
    instance_id: str
    client: str
    platform: str
    account_scope: bool

    def hello(
        self,
        token: str,
        ticket: str,
        plan_id: str,
        *,
        cursor: int | None,
        attempt: int,
        epoch: int,
        app_state: access_pb2.AppState | None,
        signals: access_pb2.SignalWishes | None,
    ) -> access_pb2.ConnectRequest:
        """The first frame of a stream."""
        scope = (
            access_pb2.CURSOR_SCOPE_ACCOUNT
            if self.account_scope
            else access_pb2.CURSOR_SCOPE_DEVICE
        )
        hello = access_pb2.Hello(
            protocol_version=PROTOCOL_VERSION,
            token=token,
            device_id=self.device_id,
            cursor=cursor,
            instance_id=self.instance_id,
            attempt=attempt,
            epoch=epoch,
            client=self.client,
            platform=self.platform,
            cursor_scope=scope,
            app_state=app_state,
            ticket=ticket,
            plan_id=plan_id,
            migrates=True,
            signals=signals,
        )
        return access_pb2.ConnectRequest(hello=hello)


def migrate_ack(answer: MoveAnswer) -> access_pb2.ConnectRequest:
    """What the client says to a Migrate."""
    ack = access_pb2.MigrateAck(
        plan_id=answer.plan_id,
        verdict=access_pb2.MigrateVerdict.ValueType(answer.verdict),
        defer_ms=round(answer.defer_seconds * 1000),
        reason=answer.reason[:_REASON_CHARACTERS],
    )
    return access_pb2.ConnectRequest(migrate_ack=ack)


def resume(plan_id: str, attempt: int) -> access_pb2.ConnectRequest:
    """The session comes back to this stream: the move has failed."""
    return access_pb2.ConnectRequest(resume=access_pb2.Resume(plan_id=plan_id, attempt=attempt))
