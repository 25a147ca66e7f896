"""The whole stack as real processes: it heals, it ends, and it says what is wrong."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from whimbrel.local.children import Identity
from whimbrel.local.cluster import is_serving, list_pods
from whimbrel.local.errors import StackError
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.runtime.auth import open_verifier
from whimbrel.runtime.auth_settings import AuthSettings

# For what is true of any stack: each service costs its start.
SMALL = StackSpec(gateway=0, push=0, drain=0)


async def test_killed_parts_are_back_on_their_ports_and_nothing_is_left_at_the_end() -> None:
    async with Stack.start(StackSpec(access=2, logic=2)) as stack:
        services = ["router-0", "logic-0", "logic-1", "push-0", "gateway-0", "drain-0"]
        assert stack.pods == [*services, "access-0", "access-1"]
        assert stack.endpoints == [stack.endpoint_of("access-0"), stack.endpoint_of("access-1")]
        before = {name: (stack.pid(name), stack.endpoint_of(name)) for name in stack.server_pids()}
        registered = await list_pods(stack.router_addresses)
        assert {pod.pod_id for pod in registered} >= set(stack.pods) - {"router-0"}
        auth = AuthSettings(
            keys_file=stack.folder.keys_file, pod_secret_file=stack.folder.token_key
        )
        assert open_verifier(auth).verify(stack.token("alice")).user_id == "alice"

        seen = [Identity.of(pid) for pid in stack.server_pids().values()]
        for name in ("logic-0", "access-1", "redis", "mongod", "router-0"):
            await stack.kill(name, signal.SIGKILL)
        await stack.wait_healthy(60)
        for name in ("logic-0", "access-1", "redis", "mongod", "router-0"):
            pid, endpoint = before[name]
            assert stack.pid(name) != pid
            assert stack.endpoint_of(name) == endpoint
            assert stack.starts(name) == 2
        assert await is_serving(stack.endpoint_of("logic-0"))

        seen += [Identity.of(pid) for pid in stack.server_pids().values()]
        folder = stack.folder.path
        assert folder.is_dir()
    assert not any(process.is_alive for process in seen)
    assert not folder.exists(), "a temporary stack leaves no data"


async def test_without_restart_a_killed_pod_stays_dead_until_revived() -> None:
    async with Stack.start(replace(SMALL, restart=False)) as stack:
        await stack.kill("logic-0")
        assert "logic-0" not in stack.server_pids()
        await stack.revive("logic-0")
        assert await is_serving(stack.endpoint_of("logic-0"))


async def test_the_commands_own_variables_never_reach_a_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WHIMBREL_TOKEN", "secret")
    monkeypatch.setenv("WHIMBREL_ENDPOINT", "elsewhere:1")
    monkeypatch.setenv("WHIMBREL_POD__LISTEN", "127.0.0.1:1")
    async with Stack.start(StackSpec()) as stack:
        environment = Path(f"/proc/{stack.pid('access-0')}/environ").read_bytes()  # noqa: ASYNC240
        assert b"WHIMBREL_POD__LISTEN=127.0.0.1:1\0" not in environment
        assert b"WHIMBREL_POD__ID=access-0\0" in environment
        assert b"WHIMBREL_TOKEN" not in environment
        assert b"WHIMBREL_ENDPOINT" not in environment


async def test_a_service_that_refuses_its_settings_is_named_with_its_own_words() -> None:
    spec = StackSpec(environment={"WHIMBREL_LOG__LEVEL": "shout"})
    with pytest.raises(StackError, match=r"(?s)router-0 ended.*WHIMBREL_LOG__LEVEL is wrong"):
        async with Stack.start(spec):
            pass


async def test_a_taken_port_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=rf"port {port} for access-0 .*pid {os.getpid()}"):
            async with Stack.start(StackSpec(data=tmp_path, first_port=port)):
                pass
    assert os.listdir(tmp_path / "logs") == []


async def test_a_stack_without_access_is_refused() -> None:
    with pytest.raises(StackError, match="at least 1 access, not 0"):
        StackSpec(access=0)


async def test_an_unknown_part_is_refused_with_those_there_are() -> None:
    async with Stack.start(SMALL) as stack:
        with pytest.raises(StackError, match=r"no 'logic-7', it has: .*logic-0"):
            await stack.kill("logic-7")
