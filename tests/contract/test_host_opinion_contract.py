"""What every HostOpinion promises, on memory and over HTTP to a real server."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiohttp import web

from services.logic.adapters.host_opinion_http import HttpHostOpinion
from services.logic.domain.model import ClientKey
from services.logic.domain.verdicts import ALLOWED, MAX_CHANGED_BYTES, Question, Verdict
from services.logic.webhook_ports import HostOpinion
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.webhook_client import open_webhook_client
from whimbrel.testing.memory_stores.host_opinion import MemoryHostOpinion

TIMEOUT = 0.5
REFUSED = WhimbrelError(ErrorCode.REFUSED_BY_HOST, "spam: no")


class Host(Protocol):
    """How a test makes the host product answer."""

    def says(self, body: bytes, verdict: Verdict | None) -> None: ...
    def hangs(self) -> None: ...
    def fails(self) -> None: ...
    @property
    def opinion(self) -> HostOpinion: ...


class MemoryHost:
    def __init__(self) -> None:
        self.opinion = MemoryHostOpinion(timeout_seconds=TIMEOUT)

    def says(self, body: bytes, verdict: Verdict | None) -> None:
        self.opinion.verdicts[body] = verdict

    def hangs(self) -> None:
        self.opinion.seconds = 60

    def fails(self) -> None:
        self.opinion.faults.fail("ask")


class HttpHost:
    def __init__(self) -> None:
        self.opinion: HostOpinion
        self._rows: dict[bytes, dict[str, Any]] = {}
        self._status = 200
        self._may_answer = asyncio.Event()
        self._may_answer.set()

    def says(self, body: bytes, verdict: Verdict | None) -> None:
        if verdict is None:
            self._rows[body] = {"action": "sing"}
        elif verdict.refused is not None:
            reason, _, detail = verdict.refused.detail.partition(": ")
            self._rows[body] = {"action": "reject", "reason": reason, "detail": detail}
        elif verdict.changed is not None:
            kind, changed = verdict.changed
            said = {"text": changed.decode()} if kind == 1 else {"base64": _base64(changed)}
            self._rows[body] = {"action": "change", **said}

    def hangs(self) -> None:
        self._may_answer.clear()

    def fails(self) -> None:
        self._status = 500

    def release(self) -> None:
        self._may_answer.set()

    async def answer(self, request: web.Request) -> web.Response:
        await self._may_answer.wait()
        bodies = [
            one["text"].encode() if "text" in one else base64.b64decode(one["base64"])
            for one in (await request.json())["messages"]
        ]
        rows = [self._rows.get(body, {"action": "allow"}) for body in bodies]
        return web.Response(status=self._status, text=json.dumps({"verdicts": rows}))


@pytest.fixture(params=["memory", "http"])
async def host(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Host]:
    if request.param == "memory":
        yield MemoryHost()
        return
    secrets = tmp_path / "secrets"
    secrets.write_text(f"whsec_{_base64(b's' * 32)}")
    made = HttpHost()
    app = web.Application()
    app.router.add_post("/before-send", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/before-send"
    async with open_webhook_client(secrets, max_connections=4) as client:
        made.opinion = HttpHostOpinion(client, url, timeout_seconds=TIMEOUT, new_id=lambda: "ask-1")
        yield made
    made.release()
    await runner.cleanup()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def question(body: bytes, kind: int = 1) -> Question:
    return Question(ClientKey("alice", "phone", "c1"), "d:alice:bob", kind, body)


async def test_each_question_has_its_verdict_in_order(host: Host) -> None:
    verdicts = {
        b"fine": ALLOWED,
        b"bad": Verdict(refused=REFUSED),
        b"odd": None,
        b"damn": Verdict(changed=(1, b"d***")),
        b"\xff\x00": Verdict(changed=(2, b"\x00\xff")),
    }
    for body, verdict in verdicts.items():
        host.says(body, verdict)
    questions = [question(body, 2 if body[0] > 127 else 1) for body in verdicts]
    answers = await host.opinion.ask(questions)
    assert [one and one.changed for one in answers] == [
        None,
        None,
        None,
        (1, b"d***"),
        (2, b"\x00\xff"),
    ]
    assert [one is None for one in answers] == [False, False, True, False, False]
    refused = answers[1] and answers[1].refused
    assert refused is not None
    assert (refused.code, refused.detail) == (REFUSED.code, REFUSED.detail)


async def test_as_many_of_the_longest_changes_as_there_are_questions_can_be_answered(
    host: Host,
) -> None:
    longest = b"\x01" * MAX_CHANGED_BYTES  # which JSON spells with six bytes each
    host.says(b"short", Verdict(changed=(1, longest)))
    answers = await host.opinion.ask([question(b"short")] * 32)
    assert [one and one.changed for one in answers] == [(1, longest)] * 32


@pytest.mark.parametrize("trouble", ["hangs", "fails"])
async def test_no_answer_in_time_or_none_of_use_is_said(host: Host, trouble: str) -> None:
    getattr(host, trouble)()
    with pytest.raises(WhimbrelError) as caught:
        await host.opinion.ask([question(b"hello")])
    assert caught.value.code is ErrorCode.UNAVAILABLE
