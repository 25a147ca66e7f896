"""People use everything around the stream, through the public doors alone."""

from __future__ import annotations

import time

import pytest

from whimbrel.local.stack import Stack, StackSpec
from whimbrel.runtime.tokens import sign_token
from whimbrel.testing.story.story import Story

pytestmark = pytest.mark.timeout(180)


async def test_people_register_befriend_chat_pull_read_recall_and_one_is_banned() -> None:
    async with Stack.start(StackSpec(access=2, logic=2, drain=0)) as stack:
        key = stack.folder.signing_key()

        def admin_token() -> str:
            return sign_token(key, "operator", 60, now=time.time(), scope="admin")

        story = Story(stack.gateway_url, stack.endpoints, admin_token, print)
        await story.run()
        assert [name for name, _, _ in story.scenes.rows] == [
            "register",
            "befriend",
            "chat",
            "group of 50",
            "offline, pulled over HTTP",
            "back on the stream",
            "recall",
            "ban",
        ]
