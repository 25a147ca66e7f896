"""The settings of each pod of a stack: the only place that knows their names.

With proxies, every address that a pod is told, or tells others, is that of a link.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from whimbrel.local.faketime import clock_environment
from whimbrel.local.links import PODS, Links
from whimbrel.local.redis_server import redis_url

_DEADLINE: Final = 0.8
"""Of its grace, what an Access pod takes for the drain: 60 of 75 s."""


@dataclass(frozen=True)
class Surroundings:
    """What all pods of one stack have around them. Addresses are host:port, as the parts listen;
    `own_mongod` and `own_redis` are None for a set of three and for servers that ran before."""

    token_key: Path
    keys_file: Path
    signing_file: Path
    mongo_url: str
    redis_url: str
    routers: Sequence[str]
    endpoints: Mapping[str, str]
    """Where clients reach each Access pod, by its name, through proxies if there are any."""
    platform: str
    """Where the supervisor's PlatformService is."""
    access_grace_seconds: float
    """From SIGTERM of an Access pod alone to its SIGKILL."""
    links: Links
    own_mongod: str | None
    own_redis: str | None


def pod_settings(
    name: str,
    role: str,
    address: str,
    around: Surroundings,
    *,
    revision: str,
    clock: Path | None,
) -> dict[str, str]:
    """The WHIMBREL_ variables of the pod `name`. `clock`: the file that steps its wall clock."""
    settings = {
        # One environment serves all roles: a service ignores the shared groups of the others.
        "WHIMBREL_POD__ID": name,
        "WHIMBREL_POD__LISTEN": address,
        "WHIMBREL_POD__REVISION": revision,
        "WHIMBREL_LOG__FORMAT": "json",
        "WHIMBREL_MONGO__URL": around.mongo_url,
        "WHIMBREL_REDIS__URL": around.redis_url,
        "WHIMBREL_ROUTER__ADDRESSES": ",".join(around.routers),
        "WHIMBREL_AUTH__KEYS_FILE": str(around.keys_file),
        "WHIMBREL_AUTH__POD_SECRET_FILE": str(around.token_key),
    }
    if role == "gateway":
        settings["WHIMBREL_AUTH__SIGNING_FILE"] = str(around.signing_file)
    if role == "access":
        # Everybody here finds pods in the registry, which follows within half a second; and a
        # stack that goes down has nobody to wait for.
        settings |= {
            "WHIMBREL_DRAIN__SETTLE_SECONDS": "0.6",
            "WHIMBREL_DRAIN__NOWHERE_SECONDS": "1",
            # What is not moved by then is ended with a goodbye, before the SIGKILL.
            "WHIMBREL_DRAIN__DEADLINE_SECONDS": f"{_DEADLINE * around.access_grace_seconds:g}",
            # Everybody here comes from this machine, most of them to measure.
            "WHIMBREL_SHELL__TRUSTED": '["127.0.0.0/8", "::1/128"]',
            "WHIMBREL_SHELL__STREAMS_PER_USER": "0",
            "WHIMBREL_SHELL__UNNAMED_STREAMS": "0",
            "WHIMBREL_SHELL__USER_MESSAGES_PER_SECOND": "0",
            "WHIMBREL_SHELL__CONVERSATION_MESSAGES_PER_SECOND": "0",
            "WHIMBREL_SHELL__FRAMES_PER_SECOND": "0",
            "WHIMBREL_SHELL__BYTES_PER_SECOND": "0",
        }
    if role == "push":
        # Nobody has keys of Apple's on a laptop: who is woken stands in the log.
        settings["WHIMBREL_CONSOLE"] = "true"
    if role == "drain":
        settings |= {
            "WHIMBREL_PLATFORM__KIND": "local",
            "WHIMBREL_PLATFORM__ADDRESS": around.platform,
            # A supervisor beside it answers in a millisecond: a dead leader is soon replaced.
            "WHIMBREL_LEADER__LEASE_SECONDS": "6",
            "WHIMBREL_LEADER__RENEW_SECONDS": "2",
        }
    if around.links.proxied:
        settings |= _proxied(name, role, address, around)
    if clock is not None:
        settings |= clock_environment(clock)
    return settings


def _proxied(name: str, role: str, address: str, around: Surroundings) -> dict[str, str]:
    through = around.links.through
    settings = {}
    if role in ("logic", "push", "gateway") and around.own_mongod is not None:
        mongod = through(name, "mongod", around.own_mongod)
        # Direct, or the driver would go on to the address that the server gives itself.
        settings["WHIMBREL_MONGO__URL"] = f"mongodb://{mongod}/?directConnection=true"
    if role in ("access", "logic", "push", "router") and around.own_redis is not None:
        redis = through(name, "redis", around.own_redis)
        settings["WHIMBREL_REDIS__URL"] = redis_url(int(redis.rpartition(":")[2]))
    if role != "router":
        settings["WHIMBREL_ROUTER__ADDRESSES"] = ",".join(
            through(name, f"router-{number}", router)
            for number, router in enumerate(around.routers)
        )
    if role == "logic":
        settings["WHIMBREL_POD__ADVERTISE"] = through(PODS, name, address)
    if role == "access":
        settings["WHIMBREL_STREAM__CLIENT_ENDPOINT"] = around.endpoints[name]
    return settings


def environment_with(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours without what is WHIMBREL_ (the command's own variables; a service refuses those that
    it does not know), and without proxies, which are for the world outside."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("WHIMBREL_") and not name.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONUNBUFFERED": "1", **settings}
