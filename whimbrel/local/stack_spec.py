"""What may be wished of a stack: how many pods of each role, which stores, TLS, traces, proxies."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from whimbrel.local.errors import StackError
from whimbrel.local.faketime import require_faketime

ROLES = ("router", "logic", "access", "push", "gateway", "drain")
OPTIONAL_ROLES = ("push", "gateway", "drain")
FIRST_REVISION = "r1"


@dataclass(frozen=True)
class StackSpec:
    """What to start. With `data` None the stack is temporary: its data go when it ends."""

    access: int = 1
    logic: int = 1
    router: int = 1
    push: int = 1
    gateway: int = 1
    drain: int = 1
    data: Path | None = None
    mongo_members: int = 1
    """Members of the replica set that is started: 1 or 3."""
    mongo_url: str | None = None
    """A MongoDB that runs already; None starts one."""
    redis_url: str | None = None
    """A Redis that runs already; None starts one."""
    restart: bool = True
    """Whether a part that ends is started again, as Kubernetes would."""
    first_port: int | None = None
    """Port of access-0, the others' follow it; None takes free ones, the last run's if possible."""
    proxied: bool = False
    """Whether clients reach pods, and pods each other and the stores, through proxies whose links
    can be made bad. Three mongods are reached directly: a set tells its own addresses."""
    proxied_sources: tuple[str, ...] = ()
    """With `proxied`: only the links from these ("clients"); empty means all."""
    access_processes: int = 1
    """In how many processes each Access pod runs."""
    access_grace_seconds: float = 75.0
    """How long an Access pod that is stopped alone may take to move its clients; then it is killed.
    A stack that goes down waits less: there is nobody to move to."""
    tls: bool = False
    """Whether everything but the stores speaks TLS, with an authority of the stack's own."""
    clocks: bool = False
    """Whether the wall clocks of the Logic pods can be stepped; needs libfaketime."""
    trace: bool = False
    """Whether a small collector of traces runs beside it, which every service sends to."""
    otlp_url: str | None = None
    """A collector that runs already, http:// or https:// URL; instead of `trace`."""
    trace_ratio: float = 1.0
    """With one of the two: the share of messages that are traced."""
    environment: dict[str, str] = field(default_factory=dict)
    """WHIMBREL_ settings for all services, on top of those that the stack sets itself."""
    role_environment: dict[str, dict[str, str]] = field(default_factory=dict)
    """More of them for the pods of one role, by role: a service refuses what it does not know."""

    def __post_init__(self) -> None:
        for role in ROLES:
            least = 0 if role in OPTIONAL_ROLES else 1
            if getattr(self, role) < least:
                raise StackError(
                    f"a stack needs at least {least} {role}, not {getattr(self, role)}"
                )
        if self.mongo_members not in (1, 3):
            raise StackError(f"a stack has 1 or 3 MongoDB members, not {self.mongo_members}")
        if self.mongo_url is not None and self.mongo_members != 1:
            raise StackError("a MongoDB that runs already brings its own members")
        if self.clocks:
            require_faketime()
        if self.trace and self.otlp_url is not None:
            raise StackError("a stack sends its traces to its own collector or to another one")
