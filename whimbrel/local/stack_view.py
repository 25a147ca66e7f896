"""What may be asked of a stack that runs: where its parts are, which processes they are."""

from __future__ import annotations

import time

from whimbrel.client.transport import Tls
from whimbrel.local.links import Links
from whimbrel.local.parts import Plan
from whimbrel.local.stack_record import RecordOnDisk
from whimbrel.local.stack_spec import StackSpec
from whimbrel.local.state import DataFolder, StackRecord
from whimbrel.local.supervisor import Supervisor
from whimbrel.runtime.tls import Dial
from whimbrel.runtime.tokens import sign_token

_TOKEN_SECONDS = 24 * 3600.0


class StackView:
    """Changes nothing; `Stack` does."""

    def __init__(
        self, spec: StackSpec, folder: DataFolder, plan: Plan, supervisor: Supervisor
    ) -> None:
        self.spec = spec
        self.folder = folder
        self._plan = plan
        self._supervisor = supervisor
        self._on_disk = RecordOnDisk(folder, plan)

    @property
    def record(self) -> StackRecord:
        """What other commands see of it."""
        return self._on_disk.record

    @property
    def endpoints(self) -> list[str]:
        """host:port where clients reach each Access pod, access-0 first."""
        return list(self.record.endpoints)

    @property
    def router_addresses(self) -> str:
        """host:port[,host:port] of the Routers."""
        return self.record.router_addresses

    @property
    def mongo_url(self) -> str:
        return self.record.mongo_url

    @property
    def redis_url(self) -> str:
        return self.record.redis_url

    @property
    def gateway_url(self) -> str:
        """http(s):// URL of the first gateway; empty when the stack has none."""
        return self.record.gateway

    @property
    def tls(self) -> bool | Tls:
        """How clients have to connect: for `connect(tls=…)`."""
        return Tls(ca_file=self.record.ca_file) if self.record.ca_file else False

    @property
    def dial(self) -> Dial:
        """Opens a channel to a pod of it, as pods do."""
        return self._plan.tls.dial

    @property
    def traces_url(self) -> str:
        """http:// URL where traces are asked for, as Jaeger is; empty without `spec.trace`."""
        return self.record.traces

    @property
    def otlp_url(self) -> str | None:
        """http:// URL of the collector that its services send traces to, if any."""
        return self._plan.collector.otlp_url

    @property
    def pods(self) -> list[str]:
        """The names of the services' pods ("access-0", …), not of the stores."""
        others = {*self.stores, *(part.name for part in self._plan.collector.parts)}
        return [name for name in self._supervisor.keepers if name not in others]

    @property
    def stores(self) -> list[str]:
        """The stores that this stack runs: "mongod" (of three: "mongod-0", …) and "redis"."""
        return [part.name for part in self._plan.stores]

    @property
    def links(self) -> Links:
        """The proxies between its parts; none unless `spec.proxied`."""
        return self._plan.links

    def endpoint_of(self, name: str) -> str:
        """host:port where one part listens, behind its proxy if it has one; it keeps it over
        restarts."""
        return self._supervisor.keeper(name).part.address

    def pid(self, name: str) -> int:
        """The pid of a pod, or of "mongod" or "redis", now."""
        return self._supervisor.keeper(name).identity.pid

    def server_pids(self) -> dict[str, int]:
        """Every process of the stack that runs now, the stores included: name to pid."""
        return {
            name: keeper.identity.pid
            for name, keeper in self._supervisor.keepers.items()
            if keeper.identity.is_alive
        }

    def starts(self, name: str) -> int:
        """How often this part was started so far."""
        return self._supervisor.keeper(name).starts

    def token(self, user_id: str, ttl_seconds: float = _TOKEN_SECONDS) -> str:
        """A token of this user, good for this stack."""
        return sign_token(self.folder.signing_key(), user_id, ttl_seconds, now=time.time())
