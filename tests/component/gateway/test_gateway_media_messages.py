"""A message shows a medium: from then on, and as long as it stands, whoever got it may download."""

from __future__ import annotations

from pathlib import Path

from tests.component.gateway.gateway_world import until_logic_answers
from tests.component.gateway.media_world import MediaWorld, media_world, meta
from tests.component.logic.history_world import CHAT, history_world
from whimbrel.api.types.v1 import types_pb2
from whimbrel.testing.pictures import picture


async def status(media: MediaWorld, who: str, media_id: str) -> int:
    return (await media.call(who, "GET", f"/{media_id}")).status_code


async def test_whoever_got_a_message_that_shows_a_medium_may_download_it(
    tmp_path: Path, mongo_url: str, redis_url: str
) -> None:
    content = picture(64, 64)
    async with (
        history_world(redis_url, mongo_url) as logic,
        media_world(
            tmp_path, mongo_url, router=logic.router_address, database_name=logic.database.name
        ) as media,
    ):
        await until_logic_answers(media.gateway)
        for name in ("alice", "bob", "carol"):
            await media.gateway.register(name)
        cat = await media.upload("alice", content, meta(filename="cat.png"))
        assert await status(media, "bob", cat) == 404
        shows = types_pb2.Attributes(media_id=cat)
        shown = await logic.send("look", attributes=shows)
        got = await media.call("bob", "GET", f"/{cat}")
        assert got.content == content
        assert await status(media, "carol", cat) == 404
        answer = await media.call("bob", "GET", f"/../conversations/{CHAT}/messages")
        assert [one["media_id"] for one in answer.json()["messages"]] == [cat]

        # Who got it may show it to others, and those may as long as one message stands.
        await logic.send("from alice", sender="bob", to="d:bob:carol", attributes=shows)
        assert await status(media, "carol", cat) == 200
        await logic.send("", attributes=types_pb2.Attributes(recalls=shown))
        assert await status(media, "carol", cat) == 200
        assert await status(media, "bob", cat) == 200  # by his own message to Carol
        assert (await media.call("bob", "DELETE", f"/{cat}")).status_code == 404
        assert (await media.call("alice", "DELETE", f"/{cat}")).status_code == 204
        assert await status(media, "carol", cat) == 404


async def test_a_recall_takes_the_medium_away(
    tmp_path: Path, mongo_url: str, redis_url: str
) -> None:
    async with (
        history_world(redis_url, mongo_url) as logic,
        media_world(tmp_path, mongo_url, database_name=logic.database.name) as media,
    ):
        dog = await media.upload("alice", b"a dog")
        shown = await logic.send("look", attributes=types_pb2.Attributes(media_id=dog))
        assert await status(media, "bob", dog) == 200
        await logic.send("", attributes=types_pb2.Attributes(recalls=shown))
        assert await status(media, "bob", dog) == 404
        assert await status(media, "alice", dog) == 200


async def test_everybody_sees_the_picture_of_a_profile_and_nobody_publishes_another_s(
    media: MediaWorld,
) -> None:
    tokens = {name: await media.gateway.register(name) for name in ("alice", "mallory")}

    async def set_avatar(who: str, media_id: str) -> None:
        body = {"avatar_media_id": media_id}
        token = tokens[who]["access_token"]
        changed = await media.gateway.call("PATCH", "/v1/users/me", body, token=token)
        assert changed.status_code == 200

    face, secret = await media.upload("alice", picture(64, 64)), await media.upload("alice", b"s")
    assert await status(media, "bob", face) == 404
    await set_avatar("alice", face)
    assert await status(media, "bob", face) == 200
    assert (await media.call("bob", "GET", f"/{face}/thumbnail")).status_code == 200
    assert (await media.call("bob", "GET", f"/{face}/about")).status_code == 404
    await set_avatar("mallory", secret)
    assert await status(media, "mallory", secret) == 404
    assert await status(media, "bob", secret) == 404

    unfinished = await media.begin("alice", 5)
    await set_avatar("alice", unfinished)
    assert await status(media, "bob", unfinished) == 404
    assert await status(media, "bob", face) == 404
