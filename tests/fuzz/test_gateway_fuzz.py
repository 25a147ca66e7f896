"""Whatever a client sends, the gateway answers in its own form, and never 5xx: `make fuzz`.

schemathesis reads the gateway's OpenAPI, sends what it permits and what it does not, as an
administrator with an account, and checks each answer against it. A Logic on real stores answers
behind the gateway.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.component.gateway.gateway_world import SECONDS, gateway, until_logic_answers
from tests.component.gateway.media_world import folder_settings
from tests.component.logic.history_world import history_world

pytestmark = pytest.mark.fuzz

# A well-formed name may name nobody, or somebody who is there already: refused, and rightly.
UNCHECKED = "positive_data_acceptance"
# What refuses a body that breaks the description: with 413 too, when it is as large as that.
EXPECTED = """\
[checks]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 409, 413, 429,
  412, 415, 416, 423]  # of media
"""
LIMIT_SECONDS = 600


@pytest.mark.timeout(LIMIT_SECONDS)
async def test_nothing_that_a_client_sends_is_a_server_error(
    tmp_path: Path, mongo_url: str, redis_url: str
) -> None:
    async with (
        history_world(redis_url, mongo_url) as logic,
        gateway(
            tmp_path,
            mongo_url,
            router=logic.router_address,
            media=folder_settings(tmp_path),
        ) as world,
    ):
        await world.register("root")
        await until_logic_answers(world)
        config = tmp_path / "schemathesis.toml"
        config.write_text(EXPECTED)
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("schemathesis"),
            f"--config-file={config}",
            "run",
            f"http://{world.address}/openapi.json",
            f"--header=Authorization:Bearer {world.admin()}",
            "--checks=all",
            f"--exclude-checks={UNCHECKED}",
            "--max-examples=15",
            "--seed=1",
            "--continue-on-failure",
            f"--request-timeout={SECONDS}",
            "--suppress-health-check=all",
            "--warnings=off",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, output.decode()
