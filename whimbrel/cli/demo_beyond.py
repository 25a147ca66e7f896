"""The fourth act of `whimbrel demo`: what goes beyond the stream, on a stack of its own that has
a push service and a host product around it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from whimbrel.local.stack import Stack, StackSpec
from whimbrel.testing.story.beyond import Beyond
from whimbrel.testing.story.scenes import Say
from whimbrel.testing.story.surroundings import surroundings


async def play_beyond(say: Say) -> Beyond:
    """The whole act, as it was played. Raises StoryError and StackError."""
    with TemporaryDirectory(prefix="whimbrel-demo-") as folder:
        async with surroundings(Path(folder)) as around:
            spec = StackSpec(
                drain=0,
                environment=around.environment,
                role_environment={"push": around.push_environment},
            )
            say("a stack with a push service and a host product around it")
            async with Stack.start(spec, progress=say) as stack:
                beyond = Beyond(stack.gateway_url, stack.endpoints, stack.redis_url, around, say)
                await beyond.run()
                return beyond
