"""What a client says on an attached stream, frame by frame."""

from __future__ import annotations

from typing import Final

from services.access import fencing
from services.access.client_stream import ClientStream
from services.access.pending import PendingSend
from services.access.refusals import StreamRefusedError
from services.access.rules import conversation_of, frame_kind
from whimbrel.api.access.v1 import access_pb2
from whimbrel.core.errors import CloseCode, WhimbrelError
from whimbrel.core.session_types import SeqAheadError
from whimbrel.core.window import AckAheadError

MAX_MESSAGES: Final = 1_000
"""In one Send: a frame of 256 KiB could have ten thousand, and they hold up everybody else."""


def handle(stream: ClientStream, frame: access_pb2.ConnectRequest, now: float) -> bool:
    """Do what the frame says; False when it was a goodbye.

    Raises StreamRefusedError when the frame breaks a rule of the protocol.
    """
    kind = frame_kind(frame)
    if kind == "send":
        if len(frame.send.messages) > MAX_MESSAGES:
            raise StreamRefusedError(
                CloseCode.INVALID_FRAME, f"a Send has at most {MAX_MESSAGES} messages"
            )
        stream.sent += len(frame.send.messages)
        for message in frame.send.messages:
            _send(stream, message, now)
    elif kind == "ack":
        _acknowledge(stream, frame.ack, now)
    elif kind == "ping":
        _pong(stream)
    elif kind == "sync":
        _sync(stream, frame.sync.from_seq, now)
    elif kind == "app_state":
        set_app_state(stream, frame.app_state, now)
    elif kind in {"read", "typing", "watch"}:
        stream.services.signals.said(stream, frame, now)
    elif kind == "migrate_ack":
        stream.services.moves.answered(stream, frame.migrate_ack, now)
    elif kind == "bye":
        return False
    elif kind == "hello":
        raise StreamRefusedError(CloseCode.HELLO_EXPECTED, "Hello comes once, and first")
    else:
        raise StreamRefusedError(CloseCode.UNKNOWN_FRAME, f"{kind} has no meaning here")
    return True


def set_app_state(stream: ClientStream, state: access_pb2.AppState, now: float) -> None:
    """Where the app is, and how often it will ping: silence is judged by that from now on."""
    stream.is_background = state.background
    interval = stream.services.settings.heartbeat_of(
        background=state.background, interval_ms=state.heartbeat_interval_ms
    )
    stream.clock.set_heartbeat(interval, now)
    stream.arm()


def _send(stream: ClientStream, message: access_pb2.OutgoingMessage, now: float) -> None:
    services = stream.services
    try:
        stale = fencing.stale(stream)
        if stale is not None:
            raise stale
        conversation_id = conversation_of(message, stream.user_id, services.settings.max_body_bytes)
        services.shell.messages.take(stream.user_id, conversation_id, now)
        traces = services.send_traces
        trace = None if traces is None else traces.begin(message.traceparent, now)
        services.requests.send(
            PendingSend(stream, message.client_message_id, conversation_id, trace),
            message,
            sender_id=stream.user_id,
            device_id=stream.device_id,
            epoch=stream.epoch,
            now=now,
        )
    except WhimbrelError as error:
        stream.reject(message.client_message_id, error)
    else:
        stream.unanswered += 1


def _acknowledge(stream: ClientStream, ack: access_pb2.Ack, now: float) -> None:
    cursor = ack.cursor
    if ack.confirm_now:
        stream.outbound.hasten()
    try:
        is_news = stream.session.acknowledge(cursor, now)
    except AckAheadError as error:
        raise StreamRefusedError(CloseCode.ACK_AHEAD, str(error)) from None
    if is_news:
        stream.services.acks.keep(stream.user_id, stream.device_id, cursor)
        stream.services.signals.acknowledged(stream, cursor)
        if stream.traced and stream.services.delivery_traces is not None:
            stream.services.delivery_traces.acknowledged(stream, cursor, now)
    if is_news or ack.confirm_now:
        stream.turn(now)


def _sync(stream: ClientStream, from_seq: int, now: float) -> None:
    if from_seq < 1:
        raise StreamRefusedError(CloseCode.INVALID_FRAME, "Sync.from_seq begins at 1")
    try:
        stream.session.rewind(from_seq, now)
    except SeqAheadError as error:
        raise StreamRefusedError(CloseCode.SEQ_AHEAD, str(error)) from None
    stream.turn(now)


def _pong(stream: ClientStream) -> None:
    session = stream.session
    storm = stream.services.storm.current
    stream.outbound.pong(stream.announced.pong(session.head, session.written, storm))
    stream.wake()
