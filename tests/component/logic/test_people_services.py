"""The services about people, as Logic serves them: real Router, Redis and MongoDB."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.component.logic.social_world import World, code_of, world
from tests.waiting import until
from whimbrel.api.groups.v1 import groups_pb2
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.moderation.v1 import moderation_pb2
from whimbrel.api.social.v1 import social_pb2

__all__ = ["world"]


async def test_friends_are_made_listed_and_parted(world: World) -> None:
    social = world.social
    ask = social_pb2.RequestFriendRequest(caller_id="alice", user_id="bob")
    asked = await social.RequestFriend(ask)
    assert asked.known.friendship == social_pb2.FRIENDSHIP_ASKED
    accept = social_pb2.AcceptFriendRequest(caller_id="alice", user_id="bob")
    assert await code_of(lambda: social.AcceptFriend(accept)) == "NOT_FOUND"
    waiting = social_pb2.ListFriendsRequest(caller_id="bob", friendship=social_pb2.FRIENDSHIP_ASKED)
    (one,) = (await social.ListFriends(waiting)).known
    assert (one.user_id, one.asked_by) == ("alice", "alice")
    await social.AcceptFriend(social_pb2.AcceptFriendRequest(caller_id="bob", user_id="alice"))
    friends = social_pb2.ListFriendsRequest(
        caller_id="alice", friendship=social_pb2.FRIENDSHIP_FRIENDS, limit=1
    )
    page = await social.ListFriends(friends)
    assert [one.user_id for one in page.known] == ["bob"]
    friends.page = page.next_page
    assert list((await social.ListFriends(friends)).known) == []
    visible = social_pb2.FilterVisibleRequest(caller_id="alice", user_ids=["bob", "carol"])
    assert list((await social.FilterVisible(visible)).user_ids) == ["bob"]
    await social.RemoveFriend(social_pb2.RemoveFriendRequest(caller_id="alice", user_id="bob"))
    assert list((await social.FilterVisible(visible)).user_ids) == []


async def test_a_block_stops_messages_within_two_seconds_and_its_end_lets_them_pass(
    world: World,
) -> None:
    assert await world.send("alice", "d:alice:bob", "hi", "c1") == ""
    await world.social.BlockUser(social_pb2.BlockUserRequest(caller_id="bob", user_id="alice"))
    await world.send_until("BLOCKED", "alice", "d:alice:bob", "hi")
    (one,) = (await world.social.ListBlocked(social_pb2.ListBlockedRequest(caller_id="bob"))).known
    assert (one.user_id, one.is_blocked) == ("alice", True)
    assert (
        await code_of(
            lambda: world.social.RequestFriend(
                social_pb2.RequestFriendRequest(caller_id="alice", user_id="bob")
            )
        )
        == "BLOCKED"
    )
    await world.social.UnblockUser(social_pb2.UnblockUserRequest(caller_id="bob", user_id="alice"))
    await world.send_until("", "alice", "d:alice:bob", "hi")


async def test_who_wants_nothing_from_strangers_gets_nothing_from_them(world: World) -> None:
    wanted = social_pb2.Privacy(strangers_may_write=False)
    await world.social.SetPrivacy(social_pb2.SetPrivacyRequest(caller_id="bob", privacy=wanted))
    got = await world.social.GetPrivacy(social_pb2.GetPrivacyRequest(caller_id="bob"))
    assert got.privacy.strangers_may_write is False
    assert got.privacy.presence == social_pb2.AUDIENCE_FRIENDS
    await world.send_until("NOT_FRIENDS", "alice", "d:alice:bob", "hi")
    assert await world.send("bob", "d:alice:bob", "hi", "c1") == ""


async def test_a_ban_of_the_gateway_holds_within_two_seconds(world: World) -> None:
    assert await world.send("alice", "d:alice:bob", "hi", "c1") == ""
    row = {"_id": "alice", "until_ms": None, "reason": "spam", "updated_ms": 1_800_000_000_000}
    await world.database["bans"].insert_one(row)
    await world.send_until("BANNED", "alice", "d:alice:bob", "hi")
    assert await world.send("bob", "d:alice:bob", "hi", "c1") == ""


async def test_words_are_put_in_force_without_a_restart(world: World) -> None:
    put = moderation_pb2.PutWordsRequest(
        words=[
            moderation_pb2.Word(text="badger", action=moderation_pb2.WORD_ACTION_REJECT),
            moderation_pb2.Word(text="stoat", action=moderation_pb2.WORD_ACTION_MASK),
        ]
    )
    await world.moderation.PutWords(put)
    await world.send_until("FORBIDDEN_WORDS", "alice", "d:alice:bob", "b a d g e r")
    assert await world.send("alice", "d:alice:bob", "my stoat", "c1") == ""
    (stored,) = [row async for row in world.database["messages"].find({"client_message_id": "c1"})]
    assert stored["body"] == b"my *****"
    words = await world.moderation.ListWords(moderation_pb2.ListWordsRequest(limit=1))
    assert [word.text for word in words.words] == ["badger"]

    async def is_flagged() -> bool:
        flagged = await world.moderation.ListFlagged(moderation_pb2.ListFlaggedRequest())
        return any(list(one.words) == ["stoat"] for one in flagged.flagged)

    await until(is_flagged, seconds=5)
    await world.moderation.ReplaceWords(moderation_pb2.ReplaceWordsRequest())
    await world.send_until("", "alice", "d:alice:bob", "badger")


async def test_a_group_is_managed_and_every_change_is_said(world: World) -> None:
    groups = world.groups
    found = groups_pb2.FoundGroupRequest(
        caller_id="olga", request_id="r1", member_ids=["mia", "max"], name="Team"
    )
    team = (await groups.FoundGroup(found)).group.conversation_id
    assert (await groups.FoundGroup(found)).group.conversation_id == team
    remove = groups_pb2.RemoveMemberRequest(
        caller_id="olga", request_id="r2", conversation_id=team, user_id="max"
    )
    for _ in range(2):
        left = (await groups.RemoveMember(remove)).group
    assert [(one.user_id, one.role) for one in left.members] == [
        ("olga", groups_pb2.ROLE_OWNER),
        ("mia", groups_pb2.ROLE_MEMBER),
    ]
    assert await world.send("max", team, "hi", "c1") == "NOT_A_MEMBER"
    mute = groups_pb2.MuteRequest(
        caller_id="olga", request_id="r3", conversation_id=team, until_ms=4_000_000_000_000
    )
    await groups.Mute(mute)
    assert await world.send("mia", team, "hi", "c1") == "MUTED"
    assert await world.send("olga", team, "hi", "c1") == ""
    link = (
        await groups.MakeLink(
            groups_pb2.MakeLinkRequest(caller_id="olga", request_id="r4", conversation_id=team)
        )
    ).link
    join = groups_pb2.JoinByLinkRequest(caller_id="eve", request_id="r1", link=link)
    assert not (await groups.JoinByLink(join)).is_member
    answer = groups_pb2.AnswerAskingRequest(
        caller_id="olga", request_id="r5", conversation_id=team, user_id="eve", let_in=True
    )
    await groups.AnswerAsking(answer)
    get = groups_pb2.GetGroupRequest(caller_id="eve", conversation_id=team)
    shown = (await groups.GetGroup(get)).group
    assert [one.user_id for one in shown.members] == ["olga", "mia", "eve"]
    listed = await groups.ListGroups(groups_pb2.ListGroupsRequest(caller_id="eve"))
    assert [one.conversation_id for one in listed.groups] == [team]
    types = [one["type"] for one in await world.said("mia")]
    assert types == ["created", "removed", "all_muted", "joined"]
    assert [one["type"] for one in await world.said("max")] == ["created", "removed"]
    get.caller_id = "max"
    assert await code_of(lambda: groups.GetGroup(get)) == "NOT_A_MEMBER"


async def test_the_group_that_the_stream_creates_is_managed_too(world: World) -> None:
    created = await world.logic.CreateGroup(
        logic_pb2.CreateGroupRequest(
            owner_id="olga", member_ids=["mia"], name="Team", client_group_id="g1"
        )
    )
    describe = groups_pb2.DescribeGroupRequest(
        caller_id="olga",
        request_id="r1",
        conversation_id=created.conversation_id,
        announcement="hear, hear",
        joining=groups_pb2.JOINING_LINK,
    )
    group = (await world.groups.DescribeGroup(describe)).group
    assert (group.name, group.announcement) == ("Team", "hear, hear")
    assert await world.said("mia") == [
        {"type": "described", "announcement": "hear, hear", "joining": "link", "by": "olga"}
    ]


async def test_wrong_input_is_refused_with_its_code_and_changes_nothing(world: World) -> None:
    social, groups, moderation = world.social, world.groups, world.moderation
    refused: list[tuple[str, Callable[[], Awaitable[object]]]] = [
        ("INVALID_ARGUMENT", lambda: social.BlockUser(social_pb2.BlockUserRequest(caller_id="a"))),
        (
            "INVALID_ARGUMENT",
            lambda: social.BlockUser(social_pb2.BlockUserRequest(caller_id="a", user_id="a")),
        ),
        (
            "INVALID_ARGUMENT",
            lambda: social.ListFriends(
                social_pb2.ListFriendsRequest(
                    caller_id="a",
                    friendship=9,  # type: ignore[arg-type]
                )
            ),
        ),
        (
            "UNKNOWN_CONVERSATION",
            lambda: groups.LeaveGroup(
                groups_pb2.LeaveGroupRequest(caller_id="a", request_id="r", conversation_id="d:a:b")
            ),
        ),
        (
            "UNKNOWN_CONVERSATION",
            lambda: groups.LeaveGroup(
                groups_pb2.LeaveGroupRequest(caller_id="a", request_id="r", conversation_id="x" * 9)
            ),
        ),
        (
            "INVALID_ARGUMENT",
            lambda: groups.FoundGroup(groups_pb2.FoundGroupRequest(caller_id="a", request_id="r")),
        ),
        (
            "INVALID_ARGUMENT",
            lambda: moderation.PutWords(
                moderation_pb2.PutWordsRequest(words=[moderation_pb2.Word(text="x")])
            ),
        ),
        (
            "INVALID_ARGUMENT",
            lambda: moderation.ReportUser(
                moderation_pb2.ReportUserRequest(
                    caller_id="a", user_id="b", reason="x", message_id=(1 << 64) - 1
                )
            ),
        ),
        (
            "INVALID_ARGUMENT",
            lambda: moderation.AdjustRisk(
                moderation_pb2.AdjustRiskRequest(user_id="b", points=float("nan"))
            ),
        ),
        ("INVALID_ARGUMENT", lambda: moderation.Broadcast(moderation_pb2.BroadcastRequest())),
    ]
    assert [await code_of(call) for _, call in refused] == [code for code, _ in refused]
    for name in ("relations", "reports", "risks", "words", "conversations"):
        assert await world.database[name].count_documents({}) == 0, name


async def test_a_broadcast_reaches_each_of_them_once(world: World) -> None:
    request = moderation_pb2.BroadcastRequest(
        user_ids=["alice", "bob"], content=b'{"type": "news"}', broadcast_id="b1"
    )
    for _ in range(2):
        assert list((await world.moderation.Broadcast(request)).failed_ids) == []
    for user in ("alice", "bob"):
        assert await world.said(user) == [{"type": "news"}]
