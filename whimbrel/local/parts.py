"""What a stack is made of: the parts of each layer, with their commands and environments.

The only place that knows the names of the services' settings. Each service is run as
`python -m services.<role>`, exactly as its container runs it.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from whimbrel.local.binaries import explain_loader, find_mongod, find_redis_server
from whimbrel.local.cluster import is_serving
from whimbrel.local.errors import StackError, make_folder, tail
from whimbrel.local.keeper import Part
from whimbrel.local.mongod import become_primary, explain_mongod, mongo_url, mongod_command
from whimbrel.local.ports import Ports
from whimbrel.local.redis_server import explain_redis, redis_answers, redis_command, redis_url
from whimbrel.local.state import DataFolder

_MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '(\w+)")

ROLES = ("router", "logic", "access", "push")


@dataclass(frozen=True)
class StackSpec:
    """What to start. With `data` None the stack is temporary: its data go when it ends."""

    access: int = 1
    logic: int = 1
    router: int = 1
    push: int = 1
    data: Path | None = None
    mongo_url: str | None = None
    """A MongoDB that runs already; None starts one."""
    redis_url: str | None = None
    """A Redis that runs already; None starts one."""
    restart: bool = True
    """Whether a part that ends is started again, as Kubernetes would."""
    first_port: int | None = None
    """Port of access-0, the others' follow it; None takes free ones, the last run's if possible."""
    environment: dict[str, str] = field(default_factory=dict)
    """WHIMBREL_ settings for all services, on top of those that the stack sets itself."""

    def __post_init__(self) -> None:
        for role in ROLES:
            least = 0 if role == "push" else 1
            if getattr(self, role) < least:
                raise StackError(
                    f"a stack needs at least {least} {role}, not {getattr(self, role)}"
                )


class Plan:
    """The layers of one stack, in the order in which they start. Ports are claimed here."""

    def __init__(self, spec: StackSpec, folder: DataFolder, ports: Ports) -> None:
        """Raises StackError when a binary is missing or a port is taken."""
        self._spec = spec
        self._folder = folder
        self._ports = ports
        self._last = folder.last_ports()
        self.chosen: dict[str, int] = {}
        # Before any other: these are the ports that somebody may have asked for.
        access = [self._address(f"access-{number}") for number in range(spec.access)]
        self.stores: list[Part] = []
        self.mongo_url = spec.mongo_url or self._mongod()
        self.redis_url = spec.redis_url or self._redis()
        routers = [self._address(f"router-{number}") for number in range(spec.router)]
        self.router_addresses = ",".join(routers)
        self.routers = self._services("router", routers)
        addresses = [self._address(f"logic-{number}") for number in range(spec.logic)]
        pushes = [self._address(f"push-{number}") for number in range(spec.push)]
        self.logics = self._services("logic", addresses)
        self.pushes = self._services("push", pushes)
        self.accesses = self._services("access", access)

    def steps(self) -> list[list[list[Part]]]:
        """Layers that start together, step by step: the stores, the Router, the rest.

        Layers stop one by one in reverse: Access first, so that its clients leave while Logic
        still stores their acks.
        """
        return [[self.stores], [self.routers], [self.logics, self.pushes, self.accesses]]

    def _mongod(self) -> str:
        binary = find_mongod()
        data = make_folder(self._folder.mongo / "db")
        log = self._folder.logs / "mongod.log"
        port = self._port("mongod")
        self.stores.append(
            Part(
                name="mongod",
                role="mongod",
                address=f"127.0.0.1:{port}",
                command=tuple(mongod_command(binary, data, port)),
                log=log,
                is_ready=partial(become_primary, port),
                environment=_environment({}),
                explain=partial(explain_mongod, binary, log),
                # Data that nobody will read again need not be put in order first.
                grace_seconds=0.0 if self._spec.data is None else 20.0,
                ready_seconds=60.0,
            )
        )
        return mongo_url(port)

    def _redis(self) -> str:
        binary = find_redis_server()
        log = self._folder.logs / "redis.log"
        port = self._port("redis")
        self.stores.append(
            Part(
                name="redis",
                role="redis",
                address=f"127.0.0.1:{port}",
                command=tuple(redis_command(binary, self._folder.redis, port)),
                log=log,
                is_ready=partial(redis_answers, port),
                environment=_environment({}),
                explain=partial(explain_redis, binary, log),
                grace_seconds=5.0,
            )
        )
        return redis_url(port)

    def _services(self, role: str, addresses: list[str]) -> list[Part]:
        parts = []
        for number, address in enumerate(addresses):
            name = f"{role}-{number}"
            log = self._folder.logs / f"{name}.log"
            parts.append(
                Part(
                    name=name,
                    role=role,
                    address=address,
                    command=(sys.executable, "-m", f"services.{role}"),
                    log=log,
                    is_ready=partial(is_serving, address),
                    environment=_environment(self._settings(name, address)),
                    folder=self._folder.path,
                    explain=partial(_explain_service, name, log),
                )
            )
        return parts

    def _settings(self, name: str, address: str) -> dict[str, str]:
        # One environment serves all roles: a service ignores the shared groups of the others.
        return {
            "WHIMBREL_POD__ID": name,
            "WHIMBREL_POD__LISTEN": address,
            "WHIMBREL_LOG__FORMAT": "json",
            "WHIMBREL_MONGO__URL": self.mongo_url,
            "WHIMBREL_REDIS__URL": self.redis_url,
            "WHIMBREL_ROUTER__ADDRESSES": self.router_addresses,
            "WHIMBREL_AUTH__SECRET_FILE": str(self._folder.token_key),
            **self._spec.environment,
        }

    def _address(self, name: str) -> str:
        return f"127.0.0.1:{self._port(name)}"

    def _port(self, name: str) -> int:
        role, _, number = name.partition("-")
        if role == "access" and self._spec.first_port is not None:
            port = self._ports.take_exactly(self._spec.first_port + int(number), name)
        else:
            last = self._last.get(name)
            port = self._ports.take(() if last is None else (last,))
        self.chosen[name] = port
        return port


def _environment(settings: dict[str, str]) -> dict[str, str]:
    """Ours without what is WHIMBREL_ (the command's own variables; a service refuses those that
    it does not know), and without proxies, which are for the world outside."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("WHIMBREL_") and not name.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONUNBUFFERED": "1", **settings}


def _explain_service(name: str, log: Path) -> str | None:
    """A service that refuses its settings or misses a library says it in its last lines."""
    last = tail(log)
    missing = _MISSING_MODULE.search(last)
    if missing is not None and missing.group(1) not in ("services", "whimbrel"):
        return (
            f"{name} needs the package {missing.group(1)}, which is not installed: "
            "pip install 'whimbrel[server,local]'"
        )
    return explain_loader(Path(name), last)
