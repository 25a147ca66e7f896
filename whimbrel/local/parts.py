"""What a stack is made of: the parts of each layer, with their commands and environments.

Each service is run as `python -m services.<role>`, exactly as its container runs it; with which
settings is in `pod_settings`.
"""

from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path

from whimbrel.local.binaries import explain_loader, find_mongod, find_redis_server
from whimbrel.local.cluster import is_serving
from whimbrel.local.collector_part import Collector, own_collector
from whimbrel.local.errors import StackError, make_folder, tail
from whimbrel.local.links import CLIENTS, Links
from whimbrel.local.mongod import explain_mongod, mongod_command
from whimbrel.local.part import Part
from whimbrel.local.pod_settings import Surroundings, environment_with, pod_settings
from whimbrel.local.ports import Ports
from whimbrel.local.redis_server import explain_redis, redis_answers, redis_command, redis_url
from whimbrel.local.replica_set import is_member, replica_set_url
from whimbrel.local.stack_spec import FIRST_REVISION, StackSpec
from whimbrel.local.stack_tls import StackTls
from whimbrel.local.state import DataFolder

_MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '(\w+)")


class Plan:
    """The layers of one stack, in the order in which they start. Ports are claimed here."""

    def __init__(self, spec: StackSpec, folder: DataFolder, ports: Ports) -> None:
        """Raises StackError when a binary is missing or a port is taken."""
        self._spec = spec
        self._folder = folder
        self._ports = ports
        self._last = folder.last_ports()
        self.chosen: dict[str, int] = {}
        self.tls = StackTls(folder.tls, is_wanted=spec.tls)
        self.links = Links(proxied=spec.proxied, sources=spec.proxied_sources)
        # Before any other: these are the ports that somebody may have asked for.
        access = [self._address(f"access-{number}") for number in range(spec.access)]
        self.stores: list[Part] = []
        self.mongo_url = spec.mongo_url or self._mongods()
        self.redis_url = spec.redis_url or self._redis()
        routers = [self._address(f"router-{number}") for number in range(spec.router)]
        self.router_addresses = ",".join(routers)
        self.endpoints = {
            f"access-{number}": self.links.through(CLIENTS, f"access-{number}", address)
            for number, address in enumerate(access)
        }
        self.platform_address = self._address("platform")
        own = {part.name: part.address for part in self.stores}
        self._around = Surroundings(
            token_key=folder.token_key,
            keys_file=folder.keys_file,
            signing_file=folder.signing_file,
            mongo_url=self.mongo_url,
            redis_url=self.redis_url,
            routers=routers,
            endpoints=self.endpoints,
            links=self.links,
            platform=self.platform_address,
            access_grace_seconds=spec.access_grace_seconds,
            own_mongod=own.get("mongod"),
            own_redis=own.get("redis"),
        )
        self.collector = Collector(spec.otlp_url, spec.trace_ratio)
        if spec.trace:
            self.collector = own_collector(
                self._address("collector"), self._address("traces"), folder, spec.trace_ratio
            )
        self.routers = self._services("router", routers)
        self.logics = self._services("logic", self._addresses("logic", spec.logic))
        self.pushes = self._services("push", self._addresses("push", spec.push))
        self.gateways = self._services("gateway", self._addresses("gateway", spec.gateway))
        self.gateway_url = (
            f"{self.tls.scheme}://{self.http_address('gateway-0')}" if spec.gateway else ""
        )
        self.drains = self._services("drain", self._addresses("drain", spec.drain))
        self.accesses = self._services("access", access)

    def steps(self) -> list[list[list[Part]]]:
        """Layers that start together, step by step: the stores, the Router, the rest.

        Layers stop one by one in reverse: Access first, so that its clients leave while Logic
        still stores their acks.
        """
        services = [self.logics, self.pushes, self.gateways, self.drains, self.accesses]
        return [[self.collector.parts, self.stores], [self.routers], services]

    async def make(self, name: str, revision: str) -> Part:
        """One more pod, while the stack runs. Raises StackError when there is no port for it."""
        role = name.partition("-")[0]
        address = self._address(name)
        if role == "access":
            self.endpoints[name] = self.links.through(CLIENTS, name, address)
        part = self._service(name, role, address, revision)
        await self.links.open()
        return part

    async def discard(self, part: Part) -> None:
        """A pod is gone for good: its port and its links are free."""
        await self.links.remove(part.name)
        self.endpoints.pop(part.name, None)
        self._ports.release(self.chosen.pop(part.name))

    def _mongods(self) -> str:
        members = self._spec.mongo_members
        if members == 1 and (self._folder.mongo / "db-1").exists():
            # Member 0 alone need not have what the other two have confirmed.
            raise StackError(
                f"the data directory {self._folder.path} has a MongoDB of 3 members: start it "
                "with --mongo-members 3, or another one with --data"
            )
        names = ["mongod"] if members == 1 else [f"mongod-{number}" for number in range(members)]
        addresses = [self._address(name) for name in names]
        binary = find_mongod()
        for number, (name, address) in enumerate(zip(names, addresses, strict=True)):
            data = make_folder(self._folder.mongo / ("db" if number == 0 else f"db-{number}"))
            log = self._folder.logs / f"{name}.log"
            command = mongod_command(binary, data, self.chosen[name], members=members)
            self.stores.append(
                Part(
                    name=name,
                    role="mongod",
                    address=address,
                    command=tuple(command),
                    log=log,
                    is_ready=partial(is_member, number, addresses),
                    environment=environment_with({}),
                    explain=partial(explain_mongod, binary, log),
                    # Data that nobody will read again need not be put in order first.
                    grace_seconds=0.0 if self._spec.data is None else 20.0,
                    ready_seconds=60.0,
                )
            )
        return replica_set_url(addresses)

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
                environment=environment_with({}),
                explain=partial(explain_redis, binary, log),
                grace_seconds=5.0,
            )
        )
        return redis_url(port)

    def _services(self, role: str, addresses: list[str]) -> list[Part]:
        return [
            self._service(f"{role}-{number}", role, address, FIRST_REVISION)
            for number, address in enumerate(addresses)
        ]

    def _service(self, name: str, role: str, address: str, revision: str) -> Part:
        log = self._folder.logs / f"{name}.log"
        clock = self._folder.clock(name) if self._spec.clocks and role == "logic" else None
        settings = pod_settings(name, role, address, self._around, revision=revision, clock=clock)
        if role == "gateway":
            settings["WHIMBREL_HTTP__LISTEN"] = self.http_address(name)
            settings["WHIMBREL_MEDIA__STORAGE"] = "folder"
            settings["WHIMBREL_MEDIA__FOLDER"] = str(self._folder.path / "media")
        if role == "access" and self._spec.access_processes != 1:
            settings["WHIMBREL_ACCESS__PROCESSES"] = str(self._spec.access_processes)
        settings |= self.tls.environment(name)
        told = self._spec.environment | self._spec.role_environment.get(role, {})
        return Part(
            name=name,
            role=role,
            address=address,
            command=(sys.executable, "-m", f"services.{role}"),
            log=log,
            is_ready=partial(is_serving, address, self.tls.dial),
            environment=environment_with(settings | self.collector.environment() | told),
            folder=self._folder.path,
            explain=partial(_explain_service, name, log),
            drain_seconds=self._spec.access_grace_seconds if role == "access" else None,
            revision=revision,
        )

    def _addresses(self, role: str, count: int) -> list[str]:
        return [self._address(f"{role}-{number}") for number in range(count)]

    def http_address(self, name: str) -> str:
        """host:port where this gateway serves HTTP, beside the port that every pod has."""
        http = f"{name}-http"
        return f"127.0.0.1:{self.chosen[http]}" if http in self.chosen else self._address(http)

    def _address(self, name: str) -> str:
        return f"127.0.0.1:{self._port(name)}"

    def _port(self, name: str) -> int:
        role, _, number = name.partition("-")
        first = self._spec.access
        if role == "access" and self._spec.first_port is not None and int(number) < first:
            port = self._ports.take_exactly(self._spec.first_port + int(number), name)
        else:
            last = self._last.get(name)
            port = self._ports.take(() if last is None else (last,))
        self.chosen[name] = port
        return port


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
