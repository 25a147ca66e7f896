"""PushService: from the wire to `LookAfterPush` and back."""

from __future__ import annotations

from typing import Any

import grpc

from services.push.usecases.look_after_push import LookAfterPush
from services.push.wake_ports import DeadLetter
from whimbrel.api.push.v1 import push_pb2, push_pb2_grpc

_Context = grpc.aio.ServicerContext[Any, Any]


class PushServicer(push_pb2_grpc.PushServiceServicer):
    """One per process."""

    def __init__(self, look_after: LookAfterPush) -> None:
        self._look_after = look_after

    async def TestPush(  # noqa: N802 - the names are the contract's
        self, request: push_pb2.TestPushRequest, context: _Context
    ) -> push_pb2.TestPushResponse:
        response = push_pb2.TestPushResponse()
        for device, provider, outcome in await self._look_after.test(
            request.user_id, request.device_id
        ):
            response.devices.add(
                device_id=device,
                provider=provider,
                outcome="unroutable" if outcome is None else outcome.result.value,
                reason="" if outcome is None else outcome.reason,
            )
        return response

    async def ListDeadLetters(  # noqa: N802
        self, request: push_pb2.ListDeadLettersRequest, context: _Context
    ) -> push_pb2.ListDeadLettersResponse:
        letters, total = await self._look_after.letters(request.before, request.limit)
        return push_pb2.ListDeadLettersResponse(
            letters=[_letter(one) for one in letters], total=total
        )

    async def RetryDeadLetters(  # noqa: N802
        self, request: push_pb2.RetryDeadLettersRequest, context: _Context
    ) -> push_pb2.RetryDeadLettersResponse:
        retried = await self._look_after.retry(list(request.letter_ids))
        return push_pb2.RetryDeadLettersResponse(retried=retried)


def _letter(letter: DeadLetter) -> push_pb2.DeadLetter:
    wake = letter.wake
    return push_pb2.DeadLetter(
        letter_id=letter.letter_id,
        provider=letter.provider,
        reason=letter.reason,
        user_id=wake.user,
        device_id=wake.device,
        conversation_id=wake.conversation,
        sender_id=wake.sender,
        message_id=wake.message_id,
        seq=wake.seq,
        tries=wake.tries,
        at_ms=letter.at_ms,
    )
