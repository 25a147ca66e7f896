"""Encrypted bodies are bytes to Logic: nothing looks into them, nothing changes them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.logic.domain import body_kinds
from services.logic.domain.events import events_of
from services.logic.domain.model import Answer, Draft, StoredMessage
from services.logic.domain.verdicts import Question, Verdict, question_content
from services.logic.domain.words import Action
from services.logic.settings import CheckSettings
from services.logic.usecases.feed_search import searched_words
from tests.unit.logic.logic_world import World, code_of, draft, running, send
from whimbrel.core.attributes import Attributes
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.webhook_settings import WebhookSettings

# A body that would be found and refused, were it a text: whoever reads it anyway is caught.
SECRET = "darn the torpedoes"


def encrypted(client_id: str = "c1", text: str = SECRET) -> Draft:
    return replace(draft(text, client_id=client_id), body_kind=body_kinds.ENCRYPTED)


async def stored(world: World, one: Draft) -> StoredMessage:
    return (await world.messages.find_by_client_keys([one.key]))[one.key]


class Host:
    """The host product, as it answers everything in the same way."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.asked: list[Question] = []

    async def ask(self, questions: Sequence[Question]) -> list[Verdict | None]:
        self.asked += questions
        return [self.verdict] * len(questions)


@pytest.mark.parametrize("action", list(Action))
async def test_no_word_is_looked_for_in_them(action: Action) -> None:
    world = World()
    async with running(world.logic()) as logic:
        await logic.people.moderate.replace_words({"darn": action})
        await logic.people.watched.words.load()
        flagging = asyncio.create_task(logic.people.moderate.flagging.run())
        assert isinstance(await send(logic, encrypted()), Answer)
        await send(logic, draft(SECRET, client_id="c2"))
        assert await logic.people.moderate.flagging.wait_idle(1)
        flagging.cancel()
    assert (await stored(world, encrypted())).body == SECRET.encode()
    flags = await world.people.cases.flags(1 << 60, 10)
    assert [one.client_message_id for one in flags] == ["c2"]


async def test_a_deployment_may_refuse_them_and_then_a_resend_is_still_answered() -> None:
    world = World()
    async with running(world.logic()) as logic:
        first = await send(logic, encrypted())
        assert isinstance(first, Answer)
    refusing = CheckSettings(encrypted_bodies="refuse")
    async with running(world.logic("logic-1/b", checking=refusing)) as logic:
        again = await send(logic, encrypted(), resend=True)
        assert isinstance(again, Answer)
        assert again.message_id == first.message_id
        assert code_of(await send(logic, encrypted("c2"))) == "PERMISSION_DENIED"
        assert isinstance(await send(logic, draft(client_id="c3")), Answer)


async def test_they_are_not_found_by_words_and_an_edit_that_encrypts_takes_its_text_back() -> None:
    world = World()
    async with running(world.logic()) as logic:
        await send(logic, encrypted())
        assert searched_words(await stored(world, encrypted())) == ()
        text = await send(logic, draft(SECRET, client_id="c2"))
        assert isinstance(text, Answer)
        assert searched_words(await stored(world, draft(client_id="c2")))
        edit = replace(encrypted("c3", "\x00"), attributes=Attributes(edits=text.message_id))
        assert isinstance(await send(logic, edit), Answer)
        edited = await stored(world, draft(client_id="c2"))
        assert (edited.body_kind, edited.body) == (body_kinds.ENCRYPTED, b"\x00")
        assert searched_words(edited) == ()


async def test_the_host_product_may_reject_but_not_change_them() -> None:
    world = World()
    host = Host(Verdict(changed=(body_kinds.TEXT, b"said by the host")))
    async with running(world.logic(opinion=host, asking=WebhookSettings())) as logic:
        assert code_of(await send(logic, encrypted())) == "REFUSED_BY_HOST"
        assert isinstance(await send(logic, draft(client_id="c2")), Answer)
        assert (await stored(world, draft(client_id="c2"))).body == b"said by the host"
        host.verdict = Verdict()
        assert isinstance(await send(logic, encrypted("c3")), Answer)
        assert (await stored(world, encrypted("c3"))).body == SECRET.encode()
        host.verdict = Verdict(refused=WhimbrelError(ErrorCode.REFUSED_BY_HOST, "spam"))
        assert code_of(await send(logic, encrypted("c4"))) == "REFUSED_BY_HOST"
    (message,) = json.loads(question_content(host.asked[:1]))["messages"]
    assert message["kind"] == "encrypted"
    assert base64.b64decode(message["base64"]) == SECRET.encode()
    assert "text" not in message


async def test_events_about_them_have_their_bytes_or_nothing() -> None:
    world = World()
    async with running(world.logic()) as logic:
        await send(logic, encrypted())
    message = await stored(world, encrypted())
    ((without,), (with_bytes,)) = (
        [json.loads(one.content) for one in events_of([message], with_bodies=with_bodies)]
        for with_bodies in (False, True)
    )
    assert with_bytes.pop("base64") == base64.b64encode(SECRET.encode()).decode()
    assert without == with_bytes
    assert SECRET not in json.dumps(without)
