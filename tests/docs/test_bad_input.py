"""The table "Bad input" of docs/protocol.md, row by row, against a real stack.

What has to be broken first (a database that is away, a pod that stops) is played elsewhere;
those rows are named in NOT_PLAYED, so that a new row cannot be forgotten here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.docs.bad_inputs import Case, Frame, cases
from whimbrel.api.access.v1 import access_pb2, access_pb2_grpc
from whimbrel.core.errors import CloseCode, ErrorCode
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.runtime.tokens import sign_token

PAGE = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
NOT_PLAYED = {
    "the pod stops, or Router and Logic do not answer within 10 s",
    "a send on a stream whose device has attached elsewhere",
    "too many streams of the user or from the address, or without a Hello; the address is banned",
    "more messages than the rate of the user or the conversation permits",
    "frames or bytes faster than the stream's rate",
    "too many messages waiting at the server",
    "the database does not answer",
    "recalls or edits of somebody else's message",
    "recalls or edits of a message that is too old",
}


def rows() -> dict[str, str]:
    """The table: input -> answer."""
    (section,) = re.findall(r"^## Bad input\n(.*?)^## ", PAGE.read_text(), re.M | re.S)
    pairs = re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.M)
    return dict(pairs[1:])  # without its head


@asynccontextmanager
async def stream(endpoint: str) -> AsyncIterator[Any]:
    """A raw stream of the contract: what a client in another language has."""
    async with grpc.aio.insecure_channel(
        endpoint, options=[("grpc.use_local_subchannel_pool", 1)]
    ) as channel:
        call = access_pb2_grpc.AccessServiceStub(channel).Connect()
        yield call
        call.cancel()


async def answer_to(endpoint: str, case: Case) -> str:
    """The answer in the table's words."""
    async with asyncio.timeout(30), stream(endpoint) as call:
        try:
            if case.hello is not None:
                await call.write(case.hello)
            if not case.frames:
                return await read_answer(call)
            assert (await call.read()).HasField("welcome")
            # A read is pending before anything is written: a Close that nobody reads is lost when
            # the call ends under a write. The task has begun its read once it had its turn: on a
            # busy machine the answer to a write can be there before that.
            reading = asyncio.ensure_future(read_answer(call))
            await asyncio.sleep(0)
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await write_all(call, case.frames)
            return await reading
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return "the transport ends the stream, with no frame and some status"


async def write_all(call: Any, frames: Sequence[Frame]) -> None:
    for frame in frames:
        await call.write(frame)
    if frames[-1].WhichOneof("frame") in {"ack", "app_state", "send", "read", "typing"}:
        await call.write(Frame(ping=access_pb2.Ping()))  # so that "ignored" can be seen


async def read_answer(call: Any) -> str:
    is_ponged = False
    while True:
        # A refusal by Logic may come after the Pong; a refusal that never comes is "ignored".
        try:
            async with asyncio.timeout(2 if is_ponged else 25):
                frame = await call.read()
        except TimeoutError:
            return "ignored"
        if not isinstance(frame, access_pb2.ConnectResponse):
            raise asyncio.InvalidStateError
        if frame.HasField("close"):
            return f"Close {CloseCode(frame.close.code).name}"
        if frame.HasField("rejected"):
            code = ErrorCode(frame.rejected.messages[0].code).name
            if not is_ponged:  # the stream goes on
                while not (await call.read()).HasField("pong"):
                    continue
            return f"Rejected {code}"
        is_ponged = is_ponged or frame.HasField("pong")


@pytest.mark.timeout(120)
async def test_bad_input_gets_its_documented_code_and_the_pod_goes_on() -> None:
    async with Stack.start(StackSpec(gateway=0, push=0, drain=0)) as stack:
        now = time.time()
        played = cases(
            stack.token("alice"),
            expired=sign_token(stack.folder.signing_key(), "alice", 1, now=now - 60),
            foreign=sign_token(b"x" * 32, "alice", 60, now=now),
        )
        table = rows()
        assert played.keys() | NOT_PLAYED == table.keys()
        todo = [(row, case) for row, inputs in played.items() for case in inputs]
        answers = await asyncio.gather(*(answer_to(stack.endpoints[0], case) for _, case in todo))
        wrong = [
            (row, answer)
            for (row, _), answer in zip(todo, answers, strict=True)
            if answer != table[row]
        ]
        assert wrong == []
        assert stack.starts("access-0") == stack.starts("logic-0") == 1
