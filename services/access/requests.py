"""Everything that Access asks of Logic: put on the right link, and remembered until answered.

What concerns a conversation goes to the link that the conversation's id chooses, what concerns
a user to the one that the user's id chooses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Final

from services.access.link import Link
from services.access.links import Links
from services.access.pending import FetchOwner, LinkLostError, PendingFetch, PendingSend
from services.access.refusals import StreamRefusedError
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.core.ack_timer import SeqRange
from whimbrel.core.errors import CloseCode, ErrorCode, WhimbrelError, unavailable
from whimbrel.core.session_types import Pull
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

_SMALL_BYTES: Final = 256
"""More than any item without a body takes: ids have at most 140 characters."""
_EXPIRY_CHECK_SECONDS: Final = 0.25
_BREAK_RETRY_SECONDS: Final = 0.2


class LogicRequests:
    """The outbound half of the links. Answers come back through `responses`."""

    def __init__(self, links: Links, *, clock: Callable[[], float], send_seconds: float) -> None:
        self._links = links
        self._clock = clock
        self._send_budget_ms = round(send_seconds * 1000)
        self._refs = count(1)

    def send(
        self,
        send: PendingSend,
        message: access_pb2.OutgoingMessage,
        *,
        sender_id: str,
        device_id: str,
        epoch: int,
        now: float,
    ) -> None:
        """Forward a message; its owner is told later. Raises when that is not possible now."""
        link = self._links.choose(send.conversation_id)
        if link is None:
            raise unavailable("no Logic pod is linked", retry_after_seconds=0.5)
        body = message.body
        size = _SMALL_BYTES + len(body.content)
        has_attributes = message.HasField("attributes")
        if has_attributes:
            size += message.attributes.ByteSize()
        batch = link.outbox.room_for(size)
        ref = next(self._refs)
        request = batch.sends.add(
            ref=ref,
            sender_id=sender_id,
            sender_device_id=device_id,
            epoch=epoch,
            conversation_id=send.conversation_id,
            client_message_id=send.client_message_id,
            resend=message.resend,
            budget_ms=self._send_budget_ms,
            body=body,
        )
        if has_attributes:
            request.attributes.CopyFrom(message.attributes)
        if send.trace is not None:
            request.traceparent = send.trace.context.traceparent
            link.outbox.traced.append((batch, send.trace))
        link.sends.add(ref, send, now)

    def fetch(self, owner: FetchOwner, user_id: str, pull: Pull, now: float) -> None:
        """Read the timeline; the owner is told, at once when there is nobody to ask."""
        link = self._links.choose(user_id)
        batch = _small_room(link)
        if link is None or batch is None:
            owner.pull_failed(now)
            return
        ref = next(self._refs)
        batch.fetches.add(
            ref=ref,
            user_id=user_id,
            from_seq=pull.from_seq,
            limit=pull.limit,
            hole_age_ms=pull.hole_age_ms,
        )
        link.fetches.add(ref, PendingFetch(owner), now)

    async def attach(self, request: logic_pb2.AttachRequest) -> logic_pb2.AttachResult:
        """Ask until somebody answers, and say that a device of the user has come; the caller sets
        the deadline.

        Raises StreamRefusedError (SEQ_AHEAD) or the WhimbrelError of a lasting refusal.
        """
        while True:
            link = await self._links.wait_for(request.user_id)
            ref = next(self._refs)
            answer: asyncio.Future[logic_pb2.AttachResult] = (
                asyncio.get_running_loop().create_future()
            )
            try:
                batch = link.outbox.room_for(_SMALL_BYTES)
                asked = batch.attaches.add()
                asked.CopyFrom(request)
                asked.ref = ref
                # In the same frame: the route stands, so who looks finds the device.
                batch.presence_changes.add(user_id=request.user_id)
                link.attaches[ref] = answer
                result = await answer
            except LinkLostError:
                continue
            finally:
                link.attaches.pop(ref, None)
            if not result.HasField("refused"):
                return result
            await self._bear(result.refused)

    async def _bear(self, refused: logic_pb2.Refused) -> None:
        """Wait as long as a refusal says, or raise it when it is final."""
        if int(refused.code) == ErrorCode.SEQ_AHEAD:
            raise StreamRefusedError(CloseCode.SEQ_AHEAD, refused.detail)
        if refused.retry_after_ms == 0:
            raise error_of(refused)
        await asyncio.sleep(refused.retry_after_ms / 1000)

    def store_cursor(self, user_id: str, device_id: str, cursor: int) -> str | None:
        """Ask for a cursor to be stored; return the pod that was asked, None when nobody was."""
        link = self._links.choose(user_id)
        batch = _small_room(link)
        if link is None or batch is None:
            return None
        batch.cursors.add(user_id=user_id, device_id=device_id, cursor=cursor)
        return link.pod_id

    def check_head(self, user_id: str, next_seq: int) -> None:
        """Ask whether there is anything from next_seq on. No news is no answer."""
        batch = _small_room(self._links.choose(user_id))
        if batch is not None:
            batch.head_checks.add(user_id=user_id, next_seq=next_seq)

    def unacknowledged(self, user_id: str, device_id: str, seqs: SeqRange) -> None:
        """Say that a device has not acknowledged. Best effort: cursors say it too."""
        batch = _small_room(self._links.choose(user_id))
        if batch is not None:
            batch.unacknowledged.add(
                user_id=user_id, device_id=device_id, from_seq=seqs.first, to_seq=seqs.last
            )

    def supersede(self, superseded: logic_pb2.Superseded) -> None:
        """Tell the pod that held a device. Best effort: it finds out at its re-assert."""
        batch = _small_room(self._links.choose(superseded.user_id))
        if batch is not None:
            batch.superseded.add().CopyFrom(superseded)

    def kick(self, kicked: logic_pb2.Kicked) -> None:
        """Tell the pod that holds a loser. Best effort: it finds out at its re-assert."""
        batch = _small_room(self._links.choose(kicked.user_id))
        if batch is not None:
            batch.kicked.add().CopyFrom(kicked)

    async def run_expiry(self) -> None:
        """Give up, until cancelled, what nobody answers in time."""
        while True:
            await asyncio.sleep(_EXPIRY_CHECK_SECONDS)
            now = self._clock()
            for link in self._links:
                for send in link.sends.expired(now):
                    send.owner.refused(send, _no_answer("Logic did not answer in time"))
                for fetch in link.fetches.expired(now):
                    fetch.owner.pull_failed(now)


def error_of(refused: logic_pb2.Refused) -> WhimbrelError:
    """A refusal of Logic; a code that a newer Logic has and we do not is INTERNAL."""
    known = refused.code in ErrorCode._value2member_map_
    return WhimbrelError(
        ErrorCode(refused.code) if known else ErrorCode.INTERNAL,
        refused.detail,
        retry_after_seconds=refused.retry_after_ms / 1000 or None,
        outcome_unknown=refused.outcome_unknown,
    )


def _small_room(link: Link | None) -> logic_pb2.LinkRequest | None:
    """Where a small item goes; None when there is no link or too much waits on it."""
    if link is None:
        return None
    try:
        return link.outbox.room_for(_SMALL_BYTES)
    except WhimbrelError:
        return None


def _no_answer(detail: str) -> WhimbrelError:
    return unavailable(detail, retry_after_seconds=_BREAK_RETRY_SECONDS, outcome_unknown=True)


def link_broke() -> WhimbrelError:
    """What senders are told whose messages were on a link that broke."""
    return _no_answer("the link to Logic broke")
