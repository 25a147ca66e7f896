"""Who may show a medium, asked by Logic, and who may see it, asked by the gateway: the same
messages answer both."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from services.gateway.adapters.account_store_mongo import MongoAccountStore
from services.gateway.adapters.media_store_mongo import MongoMediaStore
from services.gateway.adapters.media_viewers_mongo import MongoMediaViewers
from services.gateway.domain.accounts import User
from services.gateway.domain.media import Media
from services.gateway.media_ports import MediaViewers
from services.logic.adapters.media_rights_mongo import MongoMediaRights
from services.logic.adapters.message_store_mongo import MongoMessageStore
from services.logic.domain.model import Change, ClientKey, StoredMessage
from services.logic.ports import MediaRights, MessageStore
from tests.contract.conftest import OpenDatabase
from whimbrel.core.attributes import Attributes
from whimbrel.testing.memory_stores.media_rights import MemoryMediaRights
from whimbrel.testing.memory_stores.media_viewers import MemoryMediaViewers
from whimbrel.testing.memory_stores.message_store import MemoryMessageStore

# Owner, and whether it is complete.
MEDIA = {"cat": ("alice", True), "dog": ("alice", False)}
AVATARS = {"alice": "cat", "bob": ""}


@dataclass
class Shown:
    messages: MessageStore
    rights: MediaRights
    viewers: MediaViewers


@pytest.fixture(params=["memory", "pymongo", "motor"])
async def shown(request: pytest.FixtureRequest, open_database: OpenDatabase) -> Shown:
    if request.param == "memory":
        memory = MemoryMessageStore()
        of_memory = MemoryMediaRights(memory)
        of_memory.media = dict(MEDIA)
        seen_in_memory = MemoryMediaViewers(memory)
        seen_in_memory.avatars = dict(AVATARS)
        return Shown(memory, of_memory, seen_in_memory)
    database = await open_database(request.param)
    messages, rights = MongoMessageStore(database), MongoMediaRights(database)
    viewers, media = MongoMediaViewers(database), MongoMediaStore(database)
    for store in (messages, rights, viewers, media):
        await store.prepare()
    for media_id, (owner, is_complete) in MEDIA.items():
        new = Media(media_id, owner, "name", "", 5, f"handle-{media_id}", 1, 2)
        await media.add(new, quota_bytes=100, max_open=9)
        if is_complete:
            await media.complete(media_id, "image/png")
    accounts = MongoAccountStore(database)
    for user_id, avatar in AVATARS.items():
        await accounts.create(User(user_id, user_id, 1, avatar_media_id=avatar))
    return Shown(messages, rights, viewers)


def message(number: int, media_id: str, sender: str, *others: str) -> StoredMessage:
    return StoredMessage(
        message_id=1 << 40 | number,
        key=ClientKey(sender, "phone", f"m{number}"),
        conversation="g:team",
        participants=(sender, *others),
        body_kind=1,
        body=b"look",
        sent_at_ms=1,
        digest=b"0" * 16,
        attributes=Attributes(media_id=media_id),
    )


async def test_an_owner_may_show_what_is_complete(shown: Shown) -> None:
    asked = [("alice", "cat"), ("alice", "dog"), ("bob", "cat"), ("alice", "cow")]
    assert await shown.rights.look(asked) == {("alice", "cat"): True, ("alice", "dog"): False}


async def test_whoever_was_shown_it_may_see_and_show_it_until_the_recall(shown: Shown) -> None:
    first, second = message(1, "cat", "alice", "bob", "carol"), message(2, "cat", "bob", "dora")
    await shown.messages.insert([first, second, message(3, "dog", "alice", "eve")])
    users = ("alice", "bob", "carol", "dora", "eve")
    asked = [(user, "cat") for user in users]
    assert set(await shown.rights.look(asked)) == set(asked[:4])
    assert [await shown.viewers.may_see(user, "cat") for user in users] == [True] * 4 + [False]
    recall = Change(first.message_id, "alice", 1 << 50, True)
    await shown.messages.change([recall])
    # Alice owns it; Bob and Dora have the other message.
    assert set(await shown.rights.look(asked)) == {
        ("alice", "cat"),
        ("bob", "cat"),
        ("dora", "cat"),
    }
    assert not await shown.viewers.may_see("carol", "cat")
    assert await shown.viewers.may_see("dora", "cat")


async def test_a_message_without_media_shows_nothing(shown: Shown) -> None:
    await shown.messages.insert([message(1, "", "alice", "bob")])
    assert not await shown.viewers.may_see("bob", "")


async def test_the_picture_of_a_profile_is_that_of_its_owner_alone(shown: Shown) -> None:
    asked = [("alice", "cat"), ("alice", "dog"), ("bob", "cat"), ("nobody", "cat")]
    assert [await shown.viewers.is_avatar(*one) for one in asked] == [True, False, False, False]
