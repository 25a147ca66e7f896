"""What a say of the host product costs those who talk: nobody asked, a backend that is well, one
that is down, one that hangs.

    python -m bench.before_send [RATE [SECONDS]]

Each case has a stack of its own and a load of RATE messages a second in an open loop (default 100,
for 10 s), from the call of send to the receiver's application. Nothing may be lost in any of them.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from aiohttp import web
from rich.console import Console
from rich.table import Table

from bench.figures import Figures
from bench.run import Target, Workload, run
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.runtime.webhook_settings import WebhookSettings

NO_BREAKER: Final = {"FAILURES_TO_OPEN": "1000000000"}
CASES: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "nobody is asked": ("", {}),
    "it answers": ("/answers", {}),
    "it is down": ("down", {}),
    "it is down, no breaker": ("down", NO_BREAKER),
    "it hangs": ("/hangs", {}),
    "it hangs, no breaker": ("/hangs", NO_BREAKER),
}
"""By name: the path of the URL, and other settings of the group."""


async def _answers(request: web.Request) -> web.Response:
    messages = (await request.json())["messages"]
    return web.json_response({"verdicts": [{"action": "allow"}] * len(messages)})


async def _hangs(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


@asynccontextmanager
async def _backend() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/answers", _answers)
    app.router.add_post("/hangs", _hangs)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _measure(base: str, secrets: Path, name: str, workload: Workload) -> Figures:
    path, settings = CASES[name]
    environment = {f"WHIMBREL_WEBHOOKS__{key}": value for key, value in settings.items()}
    if path:
        # Port 1 is nobody's.
        url = "http://127.0.0.1:1/" if path == "down" else base + path
        environment["WHIMBREL_WEBHOOKS__BEFORE_SEND_URL"] = url
        environment["WHIMBREL_WEBHOOKS__SECRETS_FILE"] = str(secrets)
    spec = StackSpec(access=1, logic=1, push=0, gateway=0, environment=environment)
    async with Stack.start(spec) as stack:
        target = Target(stack.endpoints, stack.token, stack.server_pids)
        await run(replace(workload, seconds=2.0), target, name="warm")
        return await run(workload, target)


async def _all(workload: Workload) -> dict[str, Figures]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        secrets = Path(folder) / "secrets"
        secrets.write_text("whsec_" + base64.b64encode(b"s" * 32).decode())
        async with _backend() as base:
            for name in CASES:
                Console(stderr=True).print(f"{name} …")
                found[name] = await _measure(base, secrets, name, workload)
    return found


def main() -> None:
    """Print the figures; exit status 1 when something was lost or came twice."""
    given = [float(text) for text in sys.argv[1:3]]
    rate, seconds = [*given, *(100.0, 10.0)[len(given) :]]
    found = asyncio.run(_all(Workload(pairs=50, rate=rate, seconds=seconds)))
    deadline_ms = WebhookSettings().before_send_timeout_seconds * 1000
    title = f"{rate:.0f} messages a second, a deadline of {deadline_ms:.0f} ms"
    table = Table("", "p50 ms", "p99 ms", "max ms", "messages", "lost", title=title)
    for name, one in found.items():
        row = (one.p50_ms, one.p99_ms, one.max_ms, one.messages, one.lost)
        table.add_row(name, *(str(value) for value in row))
    Console().print(table)
    if any(one.lost or one.duplicated for one in found.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
