"""Replies, mentions, forwards, recalls and edits: what is refused, and what a reader sees."""

from __future__ import annotations

import pytest

from services.logic.domain.model import Answer, Draft, Outcome, StoredMessage
from services.logic.parts import LogicParts
from tests.unit.logic.logic_world import World, code_of, draft, running, send
from whimbrel.core.attributes import PLAIN, Attributes, ForwardedFrom


def placed(outcome: Outcome) -> int:
    """The message_id of a message that was accepted."""
    assert isinstance(outcome, Answer), outcome
    return outcome.message_id


async def said(world: World, message_id: int) -> StoredMessage:
    return world.messages.by_id[message_id]


async def read_by_bob(parts: LogicParts) -> list[tuple[bytes, int, int]]:
    page = await parts.use_cases.read.read("bob", 1, 100)
    return [
        (message.body, message.recalled_by, message.edited_by)
        for _, message in page.entries
        if message is not None
    ]


def change(client_id: str, attributes: Attributes, text: str = "", **other: str) -> Draft:
    return draft(text, client_id=client_id, attributes=attributes, **other)


def changing(word: str, target: int) -> Attributes:
    return Attributes(recalls=target) if word == "recalls" else Attributes(edits=target)


async def test_a_reply_names_a_message_of_its_own_conversation() -> None:
    world = World()
    async with running(world.logic()) as parts:
        here = placed(await send(parts, draft(client_id="here")))
        there = placed(await send(parts, draft(client_id="there", to="d:alice:carol")))
        answer = Attributes(reply_to=here)
        reply = placed(await send(parts, change("r1", answer, "yes", sender="bob")))
        assert (await said(world, reply)).attributes == answer
        assert code_of(await send(parts, change("r2", Attributes(reply_to=there)))) == "NOT_FOUND"
        assert code_of(await send(parts, change("r3", Attributes(reply_to=7)))) == "NOT_FOUND"


async def test_only_members_are_mentioned() -> None:
    world = World()
    async with running(world.logic()) as parts:
        placed(await send(parts, change("m1", Attributes(mentions=("bob",)))))
        placed(await send(parts, change("m2", Attributes(mentions_all=True))))
        outcome = await send(parts, change("m3", Attributes(mentions=("bob", "carol"))))
        assert code_of(outcome) == "NOT_A_MEMBER"


async def test_only_what_one_has_got_is_forwarded_and_from_whom_it_came() -> None:
    world = World()
    async with running(world.logic()) as parts:
        first = placed(await send(parts, draft("news", to="d:alice:carol")))
        source = ForwardedFrom(first, "d:alice:carol", "alice")
        forward = change("f1", Attributes(forwarded_from=source), "news", sender="carol")
        on = Draft(forward.key, "d:bob:carol", 1, b"news", forward.attributes)
        assert (await said(world, placed(await send(parts, on)))).attributes == forward.attributes
        never_got = change("f2", Attributes(forwarded_from=source), "news", sender="bob")
        assert code_of(await send(parts, never_got)) == "NOT_FOUND"
        for wrong in (
            ForwardedFrom(first, "d:alice:carol", "carol"),
            ForwardedFrom(first, "d:alice:bob", "alice"),
            ForwardedFrom(first + 1, "d:alice:carol", "alice"),
        ):
            invented = change(f"f{wrong}"[:40], Attributes(forwarded_from=wrong), sender="alice")
            assert code_of(await send(parts, invented)) == "NOT_FOUND"


async def test_a_medium_is_shown_by_its_owner_and_by_whoever_was_shown_it() -> None:
    world = World()
    world.media.media = {"cat": ("alice", True), "dog": ("alice", False)}
    cat = Attributes(media_id="cat")
    async with running(world.logic()) as parts:
        to_carol = Draft(change("x", cat, sender="bob").key, "d:bob:carol", 1, b"look", cat)
        assert code_of(await send(parts, to_carol)) == "NOT_FOUND"
        assert code_of(await send(parts, change("a", Attributes(media_id="dog")))) == "CONFLICT"
        assert code_of(await send(parts, change("b", Attributes(media_id="cow")))) == "NOT_FOUND"
        shown = placed(await send(parts, change("c", cat)))
        assert (await said(world, shown)).attributes == cat
        placed(await send(parts, to_carol))
        placed(await send(parts, change("d", Attributes(recalls=shown))))
        again = Draft(change("y", cat, sender="bob").key, "d:bob:carol", 1, b"look", cat)
        assert placed(await send(parts, again))  # his own message to Carol shows it to him still


async def test_a_resend_that_shows_another_medium_is_another_message() -> None:
    world = World()
    world.media.media = {"cat": ("alice", True), "dog": ("alice", True)}
    async with running(world.logic()) as parts:
        placed(await send(parts, change("same", Attributes(media_id="cat"))))
        other = change("same", Attributes(media_id="dog"))
        assert code_of(await send(parts, other)) == "ID_REUSED"


async def test_a_recalled_message_is_read_without_its_body() -> None:
    world = World()
    async with running(world.logic()) as parts:
        secret = placed(await send(parts, draft("secret")))
        recall = placed(await send(parts, change("r", Attributes(recalls=secret))))
        assert await read_by_bob(parts) == [(b"", recall, 0), (b"", 0, 0)]


async def test_an_edited_message_is_read_with_its_newest_body() -> None:
    world = World()
    async with running(world.logic()) as parts:
        first = placed(await send(parts, draft("teh")))
        placed(await send(parts, change("e1", Attributes(edits=first), "the")))
        last = placed(await send(parts, change("e2", Attributes(edits=first), "The")))
        bodies = await read_by_bob(parts)
        assert bodies == [(b"The", 0, last), (b"the", 0, 0), (b"The", 0, 0)]


async def test_a_recall_takes_the_edits_along_and_ends_editing() -> None:
    world = World()
    async with running(world.logic()) as parts:
        first = placed(await send(parts, draft("teh")))
        edit = placed(await send(parts, change("e1", Attributes(edits=first), "the")))
        recall = placed(await send(parts, change("r", Attributes(recalls=first))))
        assert await read_by_bob(parts) == [(b"", recall, edit), (b"", recall, 0), (b"", 0, 0)]
        late = await send(parts, change("e2", Attributes(edits=first), "The"))
        assert code_of(late) == "NOT_FOUND"
        again = await send(parts, change("r2", Attributes(recalls=first)))
        assert code_of(again) == "NOT_FOUND"


@pytest.mark.parametrize("word", ["recalls", "edits"])
async def test_nobody_changes_what_is_not_theirs_not_there_or_no_message(word: str) -> None:
    world = World()
    async with running(world.logic()) as parts:
        theirs = placed(await send(parts, draft("mine", sender="bob")))
        elsewhere = placed(await send(parts, draft(client_id="c2", to="d:alice:carol")))
        mine = placed(await send(parts, draft(client_id="c3")))
        edit = placed(await send(parts, change("e", Attributes(edits=mine), "x")))
        for number, (target, code) in enumerate(
            [
                (theirs, "PERMISSION_DENIED"),
                (elsewhere, "NOT_FOUND"),
                (7, "NOT_FOUND"),
                (edit, "INVALID_ARGUMENT"),
            ]
        ):
            attributes = changing(word, target)
            outcome = await send(parts, change(f"{word}{number}", attributes))
            assert code_of(outcome) == code, target
        assert (await said(world, theirs)).body == b"mine"


@pytest.mark.parametrize(("word", "seconds"), [("recalls", 120), ("edits", 900)])
async def test_what_is_too_old_stays(word: str, seconds: int) -> None:
    world = World()
    async with running(world.logic()) as parts:
        old = placed(await send(parts, draft("old")))
        world.clock.now += seconds - 1
        # Renewed as the lease's loop would: ids are minted with the clock.
        await parts.ids.renew()
        new = placed(await send(parts, draft("new", client_id="c2")))
        world.clock.now += 2
        outcome = await send(parts, change("late", changing(word, old), "x"))
        assert code_of(outcome) == "TOO_LATE"
        placed(await send(parts, change("in-time", changing(word, new), "x")))


async def test_a_recall_is_accepted_only_when_the_body_is_gone() -> None:
    """A store that fails while it marks: the sender is told that nobody knows, the clean-up
    of the process marks it, and the resend gets the first answer."""
    world = World()
    async with running(world.logic()) as parts:
        secret = placed(await send(parts, draft("secret")))
        world.messages.faults.fail("change")
        recall = change("r", Attributes(recalls=secret))
        outcome = await send(parts, recall, seconds=0.0001)
        assert code_of(outcome) == "UNAVAILABLE"
        assert (await said(world, secret)).body == b"secret"
        await parts.clean_up.finish_own()
        assert (await said(world, secret)).body == b""
        placed(await send(parts, recall, resend=True))


async def test_a_resend_of_an_edited_message_gets_its_first_answer() -> None:
    world = World()
    async with running(world.logic()) as parts:
        first = draft("teh")
        answer = await send(parts, first)
        await send(parts, change("e1", Attributes(edits=placed(answer)), "the"))
        world.memory.faults.away = True
        assert await send(parts, first, resend=True) == answer
        reused = change("c1", Attributes(mentions=("bob",)), "teh")
        assert code_of(await send(parts, reused, resend=True)) == "ID_REUSED"
        assert first.attributes is PLAIN
