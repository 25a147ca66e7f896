"""Clients that abuse HTTP/2 against the real port of a real Access process: it stays up, within
its memory, and others are served meanwhile."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import psutil
import pytest

from tests.e2e.raw_http2 import RawHttp2
from whimbrel.client import Client, connect
from whimbrel.local.stack import Stack, StackSpec

pytestmark = [pytest.mark.timeout(240), pytest.mark.alone]

ABUSES: Final = (
    RawHttp2.stay_half_open,
    RawHttp2.send_slow_headers,
    RawHttp2.send_huge_frames,
    RawHttp2.send_huge_messages,
    RawHttp2.reset_rapidly,
    RawHttp2.flood_pings,
    RawHttp2.flood_settings,
    RawHttp2.never_open_the_window,
    RawHttp2.update_windows,
    RawHttp2.send_empty_frames,
    RawHttp2.send_nonsense,
)
CUT_OFF: Final = {
    RawHttp2.send_huge_frames,
    RawHttp2.reset_rapidly,
    RawHttp2.flood_settings,
    RawHttp2.update_windows,
    RawHttp2.send_empty_frames,
    RawHttp2.send_nonsense,
}
"""Those that would go on for ever, and cost something. (gRPC stops reading who floods with pings,
sooner or later.)"""
_ABUSERS: Final = 5
_SECONDS: Final = 5.0
_MIB: Final = 64
"""What the process may have grown by in the end: eleven abuses, ten times what their connections
cost."""
_DELIVERED_SECONDS: Final = 5.0
"""Two cores carry the abusers, too."""


async def talk(alice: Client, bob: Client, until: float) -> float:
    """One message after the other, each to be heard in time; the slowest in seconds."""
    heard = bob.events()
    worst, number = 0.0, 0
    while time.monotonic() < until:
        began = time.monotonic()
        text = f"{until}/{number}"
        number += 1
        async with asyncio.timeout(_DELIVERED_SECONDS):
            await alice.send("bob", text)
            while (await anext(heard)).text != text:
                pass
        worst = max(worst, time.monotonic() - began)
    return worst


async def test_whatever_http2_permits_a_pod_stays_up_and_others_are_served() -> None:
    limits = {
        "WHIMBREL_SHELL__TRUSTED": "[]",
        "WHIMBREL_SHELL__FRAMES_PER_SECOND": "100",
        "WHIMBREL_SHELL__BYTES_PER_SECOND": "1048576",
    }
    spec = StackSpec(
        logic=1, gateway=0, push=0, drain=0, access=1, role_environment={"access": limits}
    )
    async with Stack.start(spec) as stack:
        pid = stack.server_pids()["access-0"]
        process = psutil.Process(pid)
        endpoint = stack.endpoints[0]
        async with (
            connect(stack.endpoints, stack.token("alice"), device="phone") as alice,
            connect(stack.endpoints, stack.token("bob"), device="phone") as bob,
        ):
            await talk(alice, bob, time.monotonic() + 1.0)
            before = process.memory_info().rss
            for number, abuse in enumerate(ABUSES):
                end = time.monotonic() + _SECONDS
                source = f"127.0.1.{number + 1}"
                abusers = [RawHttp2(endpoint, source, end) for _ in range(_ABUSERS)]
                async with asyncio.TaskGroup() as tasks:
                    for one in abusers:
                        tasks.create_task(one.run(abuse))
                    worst = await talk(alice, bob, end)
                grown = (process.memory_info().rss - before) / 2**20
                sent = sum(one.sent for one in abusers) / 2**20
                cut = sum(one.was_cut for one in abusers)
                print(  # noqa: T201 - read when it fails
                    f"{abuse.__name__}: sent {sent:.1f} MiB, {cut} of {_ABUSERS} cut, "
                    f"grown {grown:.1f} MiB, slowest message {worst * 1000:.0f} ms"
                )
                assert grown < _MIB, abuse.__name__
                assert cut == _ABUSERS or abuse not in CUT_OFF, abuse.__name__
            async with connect(stack.endpoints, stack.token("carol"), device="phone") as carol:
                await carol.send("bob", "I have just come")
        assert stack.server_pids()["access-0"] == pid
