"""The way by names: the name that a pod tells its clients leads the proxy back to that pod."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from services.access.settings import AccessSettings
from tests.k8s.manifests import variant
from whimbrel.runtime.settings_loading import load_settings

EDGES = ("edge-names", "production")


def started(name: str, folder: Path) -> dict[str, str]:
    """The environment in which the Access pod's command starts Python: a stand-in writes it."""
    manifests = variant(name)
    access = manifests.workload("access")
    python = folder / "python"
    python.write_text(f'#!/bin/sh\necho "$*" > {folder}/arguments\nenv > {folder}/environment\n')
    python.chmod(0o755)
    # The kubelet turns $$( into $(, and knows none of the other references.
    command = [part.replace("$$(", "$(") for part in access.container["command"]]
    subprocess.run(
        [*command, *access.container["args"]],
        env={"PATH": f"{folder}:{os.environ['PATH']}", **manifests.environment(access)},
        check=True,
    )
    assert (folder / "arguments").read_text().split() == ["-m", "services.access"]
    lines = (folder / "environment").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line.startswith("WHIMBREL_"))


def routes(name: str) -> str:
    """The proxy's configuration."""
    text: str = variant(name).one("ConfigMap", "edge-config")["data"]["nginx.conf"]
    return text


def target_of(server_name: str, configuration: str) -> str:
    """Where the proxy's map sends a name, read as nginx does: exact names, then patterns."""
    (block,) = re.findall(r"map \$ssl_server_name \$pod \{(.*?)\n\s*\}\n", configuration, re.DOTALL)
    entries = dict(re.findall(r'^\s*"?(\S+?)"? (\S+);$', block, re.MULTILINE))
    if server_name in entries:
        return str(entries[server_name])
    for pattern, value in entries.items():
        if pattern.startswith("~"):
            found = re.match(pattern[1:].replace("?<", "?P<"), server_name)
            if found:
                return str(found.expand(re.sub(r"\$(\w)", r"\\g<\1>", value)))
    return str(entries["default"])


@pytest.mark.parametrize("name", EDGES)
def test_the_name_that_a_pod_tells_leads_back_to_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in started(name, tmp_path).items():
        monkeypatch.setenv(variable, value)
    endpoint = load_settings(AccessSettings).stream.client_endpoint
    server_name, _, port = endpoint.partition(":")
    assert (server_name, port) == ("10-1-2-3.im.example.org", "443")
    assert server_name.count(".") == 3, "a wildcard certificate covers one label"
    assert target_of(server_name, routes(name)) == "10.1.2.3:7400"


@pytest.mark.parametrize("name", EDGES)
def test_a_name_that_is_no_pod_s_leads_nowhere(name: str) -> None:
    configuration = routes(name)
    nowhere = target_of("", configuration)
    assert nowhere == "127.0.0.1:1"
    for wrong in ("mongo", "10-1-2-3.example.org", "10-1-2-3xim.example.org", "a.im.example.org"):
        assert target_of(wrong, configuration) == nowhere


@pytest.mark.parametrize("name", EDGES)
def test_the_first_contact_goes_to_the_service_of_all_pods(name: str) -> None:
    configuration = routes(name)
    upstream = target_of("im.example.org", configuration)
    (address,) = re.findall(rf"upstream {upstream} {{ server (\S+); }}", configuration)
    host, _, port = address.partition(":")
    (service_port,) = variant(name).one("Service", host)["spec"]["ports"]
    assert service_port["port"] == int(port)


@pytest.mark.parametrize("name", EDGES)
def test_the_proxy_waits_longer_than_a_client_s_longest_silence_and_ends_in_its_grace(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in variant(name).environment(variant(name).workload("access")).items():
        monkeypatch.setenv(variable, value)
    stream = load_settings(AccessSettings).stream
    silence = stream.background_heartbeat_max_seconds * stream.heartbeat_misses
    (minutes,) = re.findall(r"proxy_timeout (\d+)m;", routes(name))
    assert int(minutes) * 60 > silence
    (seconds,) = re.findall(r"worker_shutdown_timeout (\d+)s;", routes(name))
    assert int(seconds) < variant(name).workload("edge").pod["terminationGracePeriodSeconds"]
