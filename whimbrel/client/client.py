"""The public face of the SDK: one device of one user, kept connected. See `connect`."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence

from whimbrel.api.access.v1 import access_pb2
from whimbrel.client.composing import compose
from whimbrel.client.device import Device
from whimbrel.client.event_stream import EventStream
from whimbrel.client.events import MessageEvent, Receipt
from whimbrel.client.signals import Signals
from whimbrel.client.tracing import send_traced
from whimbrel.core.attributes import PLAIN, Attributes
from whimbrel.core.names import check_name
from whimbrel.core.outgoing import Outgoing


class Client(Device):
    """One device of one user; made by `connect`, used with `async with`, once.

    At most two tasks run for it. It reconnects by itself and goes on where it was; what ends it
    for good is raised by `send` and `events` as ConnectionClosed. Outside of `async with` most
    of it raises RuntimeError.
    """

    # --- messages --------------------------------------------------------------------

    async def send(
        self,
        recipient_id: str,
        body: str | bytes,
        *,
        encrypted: bool = False,
        attributes: Attributes = PLAIN,
        media_id: str = "",
        client_message_id: str | None = None,
        traceparent: str = "",
        timeout_seconds: float = 30.0,
    ) -> Receipt:
        """Send to a user, in the direct conversation; return when the message is durable.

        `body` is a text or bytes (`encrypted` says that the bytes are end-to-end encrypted), at
        most 64 KiB by default. Call it from as many tasks as you like; messages to one target
        go out in the order of the calls. It waits through reconnects, sends again under the
        same id, and the message is stored once.

        Raises WhimbrelError. DEADLINE_EXCEEDED after `timeout_seconds`: with a durable store
        the message stays in the outbox and will still be sent (see `receipt`); without one it
        is forgotten, and `outcome_unknown` says whether it may be stored all the same: then
        only a call with the same `client_message_id` and the same body is safe. OVERLOADED:
        1,000 messages wait already. Others are the server's refusal, which is final. Raises
        ConnectionClosed when this client is at its end.

        `attributes` say what it answers, whom it means, where it was first said: NOT_FOUND or
        NOT_A_MEMBER when the server does not find that so. `media_id` is a medium that the
        message shows (see docs/http.md): NOT_FOUND unless it is yours or was shown to you,
        CONFLICT while it is uploaded. `client_message_id` (1 to 64 of
        A-Z a-z 0-9 _ . -) is chosen by the SDK when it is None. `traceparent` (W3C) names the
        span of yours that this is part of: when it is sampled, the servers go on with its trace.
        """
        check_name(recipient_id, "recipient_id")
        message = compose(
            body,
            encrypted,
            attributes,
            media_id,
            client_message_id,
            traceparent,
            recipient_id=recipient_id,
        )
        return await self._send(message, timeout_seconds)

    async def send_to(
        self,
        conversation_id: str,
        body: str | bytes,
        *,
        encrypted: bool = False,
        attributes: Attributes = PLAIN,
        media_id: str = "",
        client_message_id: str | None = None,
        traceparent: str = "",
        timeout_seconds: float = 30.0,
    ) -> Receipt:
        """Send to a conversation, a group or a direct one. Everything else is as in `send`."""
        message = compose(
            body,
            encrypted,
            attributes,
            media_id,
            client_message_id,
            traceparent,
            conversation_id=conversation_id,
        )
        return await self._send(message, timeout_seconds)

    async def _send(self, message: Outgoing, timeout_seconds: float) -> Receipt:
        sending = self._entered().sending
        tracer = self._options.tracer
        if tracer is None or message.traceparent:
            return await sending.send(message, timeout_seconds)
        return await send_traced(tracer, message, lambda one: sending.send(one, timeout_seconds))

    async def recall(
        self,
        conversation_id: str,
        message_id: int,
        *,
        client_message_id: str | None = None,
        timeout_seconds: float = 30.0,
    ) -> Receipt:
        """Take back a message of this user, for everybody; return when that is durable.

        A message of its own in the timeline of every member (`attributes.recalls`); whoever
        reads the old one from now on gets it without its body. Raises as `send` does:
        NOT_FOUND for a message that is not there or is taken back already, PERMISSION_DENIED
        for somebody else's, TOO_LATE (2 minutes by default), INVALID_ARGUMENT for a message
        that is itself a recall or an edit.
        """
        return await self.send_to(
            conversation_id,
            b"",
            attributes=Attributes(recalls=message_id),
            client_message_id=client_message_id,
            timeout_seconds=timeout_seconds,
        )

    async def edit(
        self,
        conversation_id: str,
        message_id: int,
        body: str | bytes,
        *,
        encrypted: bool = False,
        mentions: Sequence[str] = (),
        mentions_all: bool = False,
        client_message_id: str | None = None,
        timeout_seconds: float = 30.0,
    ) -> Receipt:
        """Give a message of this user another body; return when that is durable.

        Everybody gets `attributes.edits` with the new body; of several edits the one with the
        highest message_id counts. Raises as `recall` does (15 minutes by default).
        """
        return await self.send_to(
            conversation_id,
            body,
            encrypted=encrypted,
            attributes=Attributes(
                mentions=tuple(mentions), mentions_all=mentions_all, edits=message_id
            ),
            client_message_id=client_message_id,
            timeout_seconds=timeout_seconds,
        )

    async def receipt(self, client_message_id: str, *, timeout_seconds: float = 30.0) -> Receipt:
        """Wait for the answer to a message that waits in the outbox (see `unanswered`).

        Raises as `send` does, and WhimbrelError NOT_FOUND for an id that neither waits nor was
        answered not long ago (the last 1,024).
        """
        return await self._entered().sending.receipt(client_message_id, timeout_seconds)

    @property
    def unanswered(self) -> tuple[str, ...]:
        """The client_message_ids that wait for their answer, in the order of sending; after a
        start with a durable store also those of the process before."""
        return self._entered().dialogue.outbox.ids

    def events(self) -> AsyncIterator[MessageEvent]:
        """The messages of this user's timeline, in order, each once. Never ends by itself.

        An event counts as handled, and the device's cursor moves past it, when the next one is
        asked for. So finish with an event before you ask: what was not handled when the process
        ends comes again at the next start. Ask from one task at a time.

        Not among the events: what this device sent itself (its receipt is the news of that).
        A message that another process sent from this device may be, once, when that process was
        killed before it had its receipt.

        A slow reader costs only its own latency: the server keeps at most a window (256
        messages) on the way. Ends when `async with` is left; raises ConnectionClosed when the
        server has ended this client.
        """
        lifetime = self._entered()
        return EventStream(
            lifetime.dialogue.inbox, lifetime.keeper.arrived, lifetime.poke, lifetime.ended
        )

    @property
    def signals(self) -> Signals:
        """Typing, receipts and presence. RuntimeError without `connect(signals=True)`."""
        lifetime = self._entered()
        if not self._options.signals:
            raise RuntimeError("connect with signals=True")
        return Signals(lifetime)

    # --- groups ----------------------------------------------------------------------

    async def create_group(
        self,
        member_ids: Sequence[str],
        *,
        name: str = "",
        client_group_id: str | None = None,
        timeout_seconds: float = 30.0,
    ) -> str:
        """Create a group of the caller and 1 to 999 others; return its conversation_id.

        Tried again while the server is unavailable, under one `client_group_id`, which names
        the same group for ever; give one to make your own repetition safe too. Raises
        WhimbrelError.
        """
        request = access_pb2.CreateGroupRequest(
            member_ids=member_ids, name=name, client_group_id=client_group_id or uuid.uuid4().hex
        )
        answer = await self._calls.call(
            lambda stub, metadata: stub.CreateGroup(request, metadata=metadata), timeout_seconds
        )
        return answer.conversation_id

    async def members(self, conversation_id: str, *, timeout_seconds: float = 30.0) -> list[str]:
        """The user ids of a conversation that the caller is in, in the order in which they
        joined. Raises WhimbrelError."""
        request = access_pb2.ListMembersRequest(conversation_id=conversation_id)
        answer = await self._calls.call(
            lambda stub, metadata: stub.ListMembers(request, metadata=metadata), timeout_seconds
        )
        return list(answer.member_ids)

    async def reads(self, conversation_id: str, *, timeout_seconds: float = 30.0) -> dict[str, int]:
        """How far the members of a conversation have read: user id to message_id, of those who
        have read anything. Raises WhimbrelError."""
        request = access_pb2.ListReadsRequest(conversation_id=conversation_id)
        answer = await self._calls.call(
            lambda stub, metadata: stub.ListReads(request, metadata=metadata), timeout_seconds
        )
        return {read.user_id: read.message_id for read in answer.reads}
