"""From a call of `send` to its receipt: who waits for which message."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from whimbrel.client.correspondence import Outcome
from whimbrel.client.dialogue import Dialogue
from whimbrel.client.events import ConnectionClosed, Receipt
from whimbrel.client.store import ClientStore
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.core.outgoing import Outgoing

_REMEMBERED_ANSWERS: Final = 1_024

Answer = Receipt | WhimbrelError | ConnectionClosed
_Wait = asyncio.Future[Answer | None]
"""None: the time is up."""


class Sending:
    """The waiting callers, by client_message_id. Bounded by the outbox."""

    def __init__(self, dialogue: Dialogue, store: ClientStore, poke: Callable[[], None]) -> None:
        self._dialogue = dialogue
        self._store = store
        self._poke = poke
        self._waiting: dict[str, list[_Wait]] = {}
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._closed: ConnectionClosed | None = None

    def answered(self, outcome: Outcome) -> None:
        """A message has its answer."""
        identifier, answer = outcome
        self._answers[identifier] = answer
        if len(self._answers) > _REMEMBERED_ANSWERS:
            self._answers.popitem(last=False)
        for future in self._waiting.pop(identifier, ()):
            _settle(future, answer)

    def close(self, reason: ConnectionClosed) -> None:
        """No answer will come any more."""
        self._closed = reason
        waiting, self._waiting = self._waiting, {}
        for futures in waiting.values():
            for future in futures:
                _settle(future, reason)

    async def send(self, message: Outgoing, timeout_seconds: float) -> Receipt:
        """Queue, keep, wait. See Client.send for what is raised."""
        if self._closed is not None:
            raise again(self._closed)
        limit = self._dialogue.max_body_bytes
        if limit and len(message.body) > limit:
            raise WhimbrelError(
                ErrorCode.BODY_TOO_LARGE,
                f"a body of {len(message.body)} bytes; {limit} are allowed",
            )
        identifier = message.client_message_id
        outbox = self._dialogue.outbox
        outbox.add(message, held=True)
        by = asyncio.get_running_loop().time() + timeout_seconds
        is_kept = False
        try:
            await self._keep(message, by)
            is_kept = True
            outbox.release(identifier)
            self._poke()
            return _receipt(await self._wait(identifier, by))
        except TimeoutError:
            answer = self._answers.get(identifier)
            if answer is not None:  # it came in the same turn of the loop as the time's end
                return _receipt(answer)
            stays = is_kept and self._store.is_durable
            was_sent = stays or outbox.is_sent(identifier)
            more = "; it stays in the outbox" if stays else ""
            raise WhimbrelError(
                ErrorCode.DEADLINE_EXCEEDED,
                f"{identifier} was not accepted in {timeout_seconds} s{more}",
                outcome_unknown=was_sent,
            ) from None
        finally:
            if outbox.holds(identifier) and not (is_kept and self._store.is_durable):
                outbox.give_up(identifier)
                self._poke()  # it may have held up others
                if self._closed is None:
                    await self._store.forget_outgoing([identifier])

    async def receipt(self, client_message_id: str, timeout_seconds: float) -> Receipt:
        """The answer to a message that was queued earlier. See Client.receipt."""
        answer = self._answers.get(client_message_id)
        if answer is None and self._closed is not None:
            raise again(self._closed)
        if answer is None:
            if not self._dialogue.outbox.holds(client_message_id):
                raise WhimbrelError(ErrorCode.NOT_FOUND, f"no message {client_message_id!r} waits")
            by = asyncio.get_running_loop().time() + timeout_seconds
            try:
                answer = await self._wait(client_message_id, by)
            except TimeoutError:
                raise WhimbrelError(
                    ErrorCode.DEADLINE_EXCEEDED,
                    f"{client_message_id} was not accepted in {timeout_seconds} s",
                    outcome_unknown=True,
                ) from None
        return _receipt(answer)

    async def _keep(self, message: Outgoing, by: float) -> None:
        try:
            async with asyncio.timeout_at(by):
                await self._store.add_outgoing(message)
        except RuntimeError:  # this side has left meanwhile, and closed the store
            if self._closed is None:
                raise
            raise again(self._closed) from None

    async def _wait(self, identifier: str, by: float) -> Answer:
        """The answer; TimeoutError when there is none at `by` (loop time)."""
        if self._closed is not None:
            return self._closed
        loop = asyncio.get_running_loop()
        # Several may wait for one message, each with its own end. A bare timer costs a fifth of
        # an asyncio.timeout, and there is one for each message.
        future: _Wait = loop.create_future()
        self._waiting.setdefault(identifier, []).append(future)
        timer = loop.call_at(by, _settle, future, None)
        try:
            answer = await future
        finally:
            timer.cancel()
            self._forget(identifier, future)
        if answer is None:
            raise TimeoutError
        return answer

    def _forget(self, identifier: str, future: _Wait) -> None:
        futures = self._waiting.get(identifier)
        if futures is not None and future in futures:
            futures.remove(future)
            if not futures:
                del self._waiting[identifier]


def _settle(future: _Wait, answer: Answer | None) -> None:
    if not future.done():
        future.set_result(answer)


def again(reason: ConnectionClosed) -> ConnectionClosed:
    """A copy to raise: one exception object must not be raised in several tasks."""
    copy = ConnectionClosed(reason.code, reason.detail)
    copy.__cause__ = reason.__cause__
    return copy


def _receipt(answer: Answer) -> Receipt:
    if isinstance(answer, Receipt):
        return answer
    if isinstance(answer, ConnectionClosed):
        raise again(answer)
    raise answer
