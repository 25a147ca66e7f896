"""A pod loads what it needs and no more: what is not needed costs every start its time."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_SAYS_WHAT_IS_LOADED = """
import contextlib, io, json, runpy, sys
role, sys.argv = sys.argv[1], ["", "--check-config"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    runpy.run_module("services." + role, run_name="__main__")
print(json.dumps(sorted(sys.modules)))
"""
# What a setting asks for is loaded where the setting is read.
FOR_NOBODY = {
    "PIL",
    "aiobotocore",
    "aiohttp",
    "attr",
    "google.auth",
    "h2",
    "httpx",
    "kubernetes",
    "motor",
    "opentelemetry.exporter",
    "opentelemetry.sdk",
    "pygments",
    "pywebpush",
    "requests",
    "rich",
    "standardwebhooks",
    "whimbrel.cli",
    "whimbrel.local",
    "whimbrel.testing",
}


@pytest.mark.parametrize(
    ("role", "besides"),
    [
        ("access", {"pymongo", "fastapi", "uvicorn"}),
        ("logic", {"jwt", "fastapi", "uvicorn"}),
        ("router", {"jwt", "pymongo", "fastapi", "uvicorn"}),
        ("push", {"jwt", "fastapi", "uvicorn"}),
        ("gateway", {"redis"}),
        ("drain", {"jwt", "pymongo", "redis", "fastapi", "uvicorn"}),
    ],
)
def test_a_pod_loads_nothing_that_its_settings_do_not_ask_for(role: str, besides: set[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _SAYS_WHAT_IS_LOADED, role],
        capture_output=True,
        check=True,
        text=True,
    )
    loaded = set(json.loads(ran.stdout))
    assert f"services.{role}.bootstrap" in loaded
    assert loaded & (FOR_NOBODY | besides) == set()
