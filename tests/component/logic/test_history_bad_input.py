"""What HistoryService refuses, on a Logic over real stores, and with which code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest

from tests.component.logic.history_world import CHAT, HistoryWorld, eventually, history_world
from whimbrel.api.history.v1 import history_pb2 as pb
from whimbrel.core.errors import ErrorCode
from whimbrel.runtime.errors import error_from_rpc


@pytest.fixture
async def world(redis_url: str, mongo_url: str) -> AsyncIterator[HistoryWorld]:
    async with history_world(redis_url, mongo_url) as world:
        yield world


Call = Callable[[HistoryWorld, int, str], Awaitable[Any]]
_BAD: dict[str, tuple[Call, ErrorCode]] = {
    "no caller": (
        lambda world, _, __: world.history.ListConversations(pb.ListConversationsRequest(limit=1)),
        ErrorCode.INVALID_ARGUMENT,
    ),
    "limit 0": (
        lambda world, _, __: world.history.ListConversations(
            pb.ListConversationsRequest(caller_id="bob")
        ),
        ErrorCode.INVALID_ARGUMENT,
    ),
    "a token of one's own making": (
        lambda world, _, __: world.history.ListConversations(
            pb.ListConversationsRequest(caller_id="bob", limit=1, page_token="1.²")
        ),
        ErrorCode.INVALID_ARGUMENT,
    ),
    "history of 101": (
        lambda world, _, __: world.history.ReadHistory(
            pb.ReadHistoryRequest(caller_id="bob", conversation_id=CHAT, limit=101)
        ),
        ErrorCode.INVALID_ARGUMENT,
    ),
    "a message_id beyond 63 bits": (
        lambda world, _, __: world.history.ReadHistory(
            pb.ReadHistoryRequest(caller_id="bob", conversation_id=CHAT, limit=1, before=1 << 63)
        ),
        ErrorCode.INVALID_ARGUMENT,
    ),
    "history of no conversation": (
        lambda world, _, __: world.history.ReadHistory(
            pb.ReadHistoryRequest(caller_id="bob", conversation_id="nonsense", limit=1)
        ),
        ErrorCode.UNKNOWN_CONVERSATION,
    ),
    "history of a group that is not there": (
        lambda world, _, __: world.history.ReadHistory(
            pb.ReadHistoryRequest(caller_id="bob", conversation_id="g:none", limit=1)
        ),
        ErrorCode.UNKNOWN_CONVERSATION,
    ),
    "history of others": (
        lambda world, _, group: world.history.ReadHistory(
            pb.ReadHistoryRequest(caller_id="bob", conversation_id=group, limit=1)
        ),
        ErrorCode.NOT_A_MEMBER,
    ),
    "settings for a conversation of others": (
        lambda world, _, group: world.history.ChangeConversation(
            pb.ChangeConversationRequest(caller_id="bob", conversation_id=group, muted=True)
        ),
        ErrorCode.NOT_A_MEMBER,
    ),
    "a read mark at a message of others": (
        lambda world, message_id, group: world.history.MarkRead(
            pb.MarkReadRequest(caller_id="bob", conversation_id=group, message_id=message_id)
        ),
        ErrorCode.NOT_FOUND,
    ),
    "a read mark at 0": (
        lambda world, _, __: world.history.MarkRead(
            pb.MarkReadRequest(caller_id="bob", conversation_id=CHAT)
        ),
        ErrorCode.INVALID_ARGUMENT,
    ),
    "a pull mark at a message of others": (
        lambda world, message_id, group: world.history.MarkPulled(
            pb.MarkPulledRequest(caller_id="bob", message_ids={CHAT: message_id, group: 7})
        ),
        ErrorCode.NOT_FOUND,
    ),
    "no pull mark": (
        lambda world, _, __: world.history.MarkPulled(pb.MarkPulledRequest(caller_id="bob")),
        ErrorCode.INVALID_ARGUMENT,
    ),
    "pulling 101 messages": (
        lambda world, _, __: world.history.PullRecent(
            pb.PullRecentRequest(caller_id="bob", conversations=1, messages=101)
        ),
        ErrorCode.INVALID_ARGUMENT,
    ),
    "a search for nothing": (
        lambda world, _, __: world.history.Search(
            pb.SearchRequest(caller_id="bob", query=" … ", limit=1)
        ),
        ErrorCode.INVALID_ARGUMENT,
    ),
    "a search with a long query": (
        lambda world, _, __: world.history.Search(
            pb.SearchRequest(caller_id="bob", query="x" * 201, limit=1)
        ),
        ErrorCode.INVALID_ARGUMENT,
    ),
    "a search for 51": (
        lambda world, _, __: world.history.Search(
            pb.SearchRequest(caller_id="bob", query="x", limit=51)
        ),
        ErrorCode.INVALID_ARGUMENT,
    ),
    "a search among others": (
        lambda world, _, group: world.history.Search(
            pb.SearchRequest(caller_id="bob", query="hi", limit=1, conversation_id=group)
        ),
        ErrorCode.NOT_A_MEMBER,
    ),
    "rebuilding a name that is none": (
        lambda world, _, __: world.history.Rebuild(pb.RebuildRequest(user_id="b b")),
        ErrorCode.INVALID_ARGUMENT,
    ),
    "rebuilding too many at a time": (
        lambda world, _, __: world.history.Rebuild(pb.RebuildRequest(limit=101)),
        ErrorCode.INVALID_ARGUMENT,
    ),
}


async def test_bad_input_is_refused_with_its_code_and_changes_nothing(world: HistoryWorld) -> None:
    group = await world.group("carol")
    message_id = await world.send("hi")
    await eventually(world.listed, {CHAT: ("hi", 1, 1)})
    for name, (call, code) in _BAD.items():
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(world, message_id, group)
        assert error_from_rpc(raised.value).code is code, name
    assert await world.listed() == {CHAT: ("hi", 1, 1)}
    for collection in ("reads", "pulls", "settings"):
        assert await world.database[collection].count_documents({}) == 0, collection
