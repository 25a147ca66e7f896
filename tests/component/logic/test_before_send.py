"""The host product's say before a message is stored: each answer, and each failure to answer,
has its documented outcome, and none of them holds up anybody else."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from services.logic.adapters.host_opinion_http import HttpHostOpinion
from services.logic.domain.model import Answer, Outcome
from services.logic.parts import LogicParts
from tests.unit.logic.logic_world import World, code_of, draft, running, send
from tests.waiting import until
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.webhook_client import open_webhook_client
from whimbrel.runtime.webhook_settings import WebhookSettings

OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
ALLOW = {"action": "allow"}


class Backend:
    """A real server that says `verdict_of` of each text, or whatever `behave` says."""

    def __init__(self) -> None:
        self.verdicts: dict[str, dict[str, str]] = {}
        self.behaviour = "says"
        self.held = asyncio.Event()
        self.asked: list[list[str]] = []
        self.headers: list[dict[str, str]] = []
        self.contents: list[str] = []

    @property
    def texts(self) -> list[str]:
        return list(itertools.chain.from_iterable(self.asked))

    async def answer(self, request: web.Request) -> web.Response:
        content = await request.text()
        self.contents.append(content)
        self.headers.append(dict(request.headers))
        messages: list[dict[str, Any]] = json.loads(content)["messages"]
        texts = [one["text"] for one in messages]
        self.asked.append(texts)
        if self.behaviour == "hangs" or (self.behaviour == "hangs_for_slow" and "slow" in texts):
            await self.held.wait()
        if self.behaviour == "fails":
            return web.Response(status=500)
        if self.behaviour == "babbles":
            return web.Response(text="<html>it works</html>")
        if self.behaviour == "redirects":
            return web.Response(status=307, headers={"location": str(request.url)})
        return web.json_response({"verdicts": [self.verdicts.get(one, ALLOW) for one in texts]})


@asynccontextmanager
async def asking(
    tmp_path: Path, world: World, backend: Backend, **changed: Any
) -> AsyncIterator[LogicParts]:
    secrets = tmp_path / "secrets"
    secrets.write_text(f"{NEW}\n{OLD}\n")
    app = web.Application()
    app.router.add_post("/before-send", backend.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    url = f"http://127.0.0.1:{port}/before-send"
    settings = WebhookSettings(
        before_send_url=url, secrets_file=secrets, **{"before_send_timeout_seconds": 5, **changed}
    )
    numbers = itertools.count()
    try:
        async with open_webhook_client(secrets, max_connections=4) as client:
            opinion = HttpHostOpinion(
                client,
                url,
                timeout_seconds=settings.before_send_timeout_seconds,
                new_id=lambda: f"ask-{next(numbers)}",
            )
            parts = world.logic(opinion=opinion, asking=settings)
            await parts.ids.renew()
            async with running(parts):
                yield parts
    finally:
        backend.held.set()
        await runner.cleanup()


async def stored(world: World, outcome: Outcome) -> bytes:
    assert isinstance(outcome, Answer)
    found = await world.messages.find({outcome.message_id: "alice"})
    return found[outcome.message_id].body


async def test_one_message_is_rejected_and_the_others_are_stored_in_order(tmp_path: Path) -> None:
    world, backend = World(), Backend()
    backend.verdicts["bad"] = {"action": "reject", "reason": "spam", "detail": "no"}
    async with asking(tmp_path, world, backend) as parts:
        outcomes = await asyncio.gather(
            *(
                send(parts, draft(text, client_id=f"c{number}"))
                for number, text in enumerate(["one", "two", "bad", "three", "four"])
            )
        )
    rejected = outcomes.pop(2)
    assert code_of(rejected) == "REFUSED_BY_HOST"
    assert isinstance(rejected, WhimbrelError)
    assert rejected.detail == "spam: no"
    assert [await stored(world, one) for one in outcomes] == [b"one", b"two", b"three", b"four"]
    ids = [one.message_id for one in outcomes if isinstance(one, Answer)]
    assert ids == sorted(ids)
    assert backend.texts == ["one", "two", "bad", "three", "four"]


async def test_a_changed_body_is_stored_and_a_resend_of_the_original_is_recognised(
    tmp_path: Path,
) -> None:
    world, backend = World(), Backend()
    backend.verdicts["damn"] = {"action": "change", "text": "d***"}
    async with asking(tmp_path, world, backend) as parts:
        first = await send(parts, draft("damn"))
        assert await stored(world, first) == b"d***"
        assert await send(parts, draft("damn"), resend=True) == first
        assert code_of(await send(parts, draft("d***"), resend=True)) == "ID_REUSED"
    assert backend.texts == ["damn"]


@pytest.mark.parametrize("is_flagged", [True, False])
async def test_what_is_stored_is_never_asked_about_again(tmp_path: Path, is_flagged: bool) -> None:
    world, backend = World(), Backend()
    async with asking(tmp_path, world, backend) as parts:
        first = await send(parts, draft("once"))
        backend.verdicts["once"] = {"action": "reject", "reason": "spam"}
        assert await send(parts, draft("once"), resend=is_flagged) == first
    assert backend.texts == ["once"]


@pytest.mark.parametrize("behaviour", ["fails", "babbles", "redirects"])
@pytest.mark.parametrize("policy", ["allow", "reject"])
async def test_an_answer_that_cannot_be_used_is_decided_by_the_policy(
    tmp_path: Path, behaviour: str, policy: str
) -> None:
    world, backend = World(), Backend()
    backend.behaviour = behaviour
    async with asking(tmp_path, world, backend, before_send_on_failure=policy) as parts:
        outcome = await send(parts, draft("hello"))
        assert parts.screen is not None
        assert parts.screen.host.outcomes == {"failed": 1}
    if policy == "allow":
        assert await stored(world, outcome) == b"hello"
    else:
        assert code_of(outcome) == "UNAVAILABLE"
        assert isinstance(outcome, WhimbrelError)
        assert outcome.retry_after_seconds
        assert not outcome.outcome_unknown


async def test_a_backend_that_hangs_costs_its_deadline_until_the_breaker_opens(
    tmp_path: Path,
) -> None:
    world, backend = World(), Backend()
    backend.behaviour = "hangs"
    limits = {"before_send_timeout_seconds": 0.05, "failures_to_open": 2}
    async with asking(tmp_path, world, backend, **limits) as parts:
        assert parts.screen is not None
        host = parts.screen.host
        for number in range(2):
            outcome = await send(parts, draft(f"m{number}", client_id=f"c{number}"))
            assert isinstance(outcome, Answer)
        # The messages were decided at their deadlines; their requests end a moment later.
        await until(lambda: host.is_open)
        for number in range(2, 20):
            outcome = await send(parts, draft(f"m{number}", client_id=f"c{number}"))
            assert isinstance(outcome, Answer)
        assert backend.texts == ["m0", "m1"]
        assert host.outcomes == {"failed": 2, "skipped": 18}
        backend.behaviour = "says"
        world.clock.now += 5.0
        await send(parts, draft("probe", client_id="probe"))
        await send(parts, draft("next", client_id="next"))
        assert not host.is_open
    assert backend.texts == ["m0", "m1", "probe", "next"]


async def test_a_message_that_is_asked_about_holds_up_no_other_conversation(
    tmp_path: Path,
) -> None:
    world, backend = World(), Backend()
    backend.behaviour = "hangs_for_slow"
    async with asking(tmp_path, world, backend) as parts:
        slow = asyncio.create_task(send(parts, draft("slow")))
        quick = await send(parts, draft("quick", sender="carol", to="d:carol:dave"))
        assert isinstance(quick, Answer)
        assert not slow.done()
        backend.held.set()
        assert isinstance(await slow, Answer)


async def test_what_the_other_checks_refuse_is_not_asked_about(tmp_path: Path) -> None:
    world, backend = World(), Backend()
    async with asking(tmp_path, world, backend) as parts:
        outcome = await send(parts, draft("hello", to="g:nowhere"))
        assert isinstance(outcome, WhimbrelError)
    assert backend.texts == []


async def test_every_secret_verifies_a_request_and_no_other(tmp_path: Path) -> None:
    world, backend = World(), Backend()
    async with asking(tmp_path, world, backend) as parts:
        await send(parts, draft("hello"))
    content, headers = backend.contents[0], backend.headers[0]
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(content, headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook("whsec_" + base64.b64encode(b"x" * 32).decode()).verify(content, headers)
    assert headers["webhook-id"] == "ask-0"
