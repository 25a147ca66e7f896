"""What can be set for an Access pod, each with its unit, default and reason."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from services.access.process_settings import ProcessSettings
from services.access.shell_settings import ShellSettings
from whimbrel.core.errors import WhimbrelError
from whimbrel.core.names import check_platform
from whimbrel.runtime.auth_settings import AuthSettings
from whimbrel.runtime.settings import RedisSettings, RouterTarget, ServiceSettings
from whimbrel.runtime.settings_group import Seconds, SettingsGroup

Count = Annotated[int, Field(ge=1)]
Policy = Literal["kick_oldest", "refuse"]


def _check_platform(value: str) -> str:
    try:
        return check_platform(value)
    except WhimbrelError as error:
        raise ValueError(error.detail) from None


Platform = Annotated[str, AfterValidator(_check_platform)]


class StreamSettings(SettingsGroup):
    """The streams of clients, and the links to Logic."""

    client_endpoint: str = ""
    """host:port where clients reach this pod. Default: where other pods reach it, which is right
    without a load balancer in between."""
    heartbeat_seconds: Seconds = 30.0
    """Seconds between a client's pings in the foreground. Default 30: below the idle limit of
    the NATs in use."""
    heartbeat_misses: Annotated[float, Field(gt=1)] = 2.5
    """Intervals without any frame after which a client is dead. Default 2.5: one ping may be
    lost and the next be late."""
    background_heartbeat_min_seconds: Seconds = 60.0
    """The shortest interval that a client in the background may choose. Default 60: shorter
    ones cost a phone more battery than they save in lost streams."""
    background_heartbeat_max_seconds: Seconds = 270.0
    """The longest. Default 270: half a minute below the five minutes at which many NATs and
    firewalls forget, and a dead client is known after eleven minutes at the latest."""
    hello_seconds: Seconds = 5.0
    """Seconds for the first frame. Default 5: it follows the connect within a round trip, and a
    silent stream costs 40 KB."""
    attach_seconds: Seconds = 10.0
    """Seconds for Router and Logic to attach a stream. Default 10: one failover of Redis."""
    goodbye_seconds: Seconds = 2.0
    """Seconds that the last frame of a stream may take before the stream is cut. Default 2: who
    does not read by then learns it from the end of the stream."""
    window_messages: Count = 256
    """Entries in flight to one device. Default 256: fills a path of 256 ms at 1,000 a second."""
    window_bytes: Count = 256 * 1024
    """Bytes in flight to one device. Default 256 KiB: the same, and the memory that one reader
    who does not read can cost, twice."""
    max_body_bytes: Count = 64 * 1024
    """Largest body. Default 64 KiB: larger things are media."""
    max_unanswered_sends: Count = 64
    """Sends without an answer after which a stream is not read. Default 64: more would only wait
    in our memory instead of the client's."""
    send_seconds: Seconds = 10.0
    """Seconds until a send without an answer is answered "unknown", and after a link broke until
    heads are looked at once more. Default 10: Logic's own deadlines are shorter, so this is a
    Logic pod that hangs."""
    fetch_seconds: Seconds = 5.0
    """Seconds until a fetch from the timeline counts as failed. Default 5: MongoDB's timeout."""
    ack_timeout_seconds: Seconds = 10.0
    """Seconds without an ack until entries are redelivered, and again until they count as
    undelivered. Default 10: longer than a phone's pause in a tunnel's entrance."""
    ack_flush_seconds: Seconds = 0.5
    """Seconds between two writes of acks to Logic. Default 0.5: a cursor write costs 30 µs in a
    batch and 1.5 ms alone."""
    assert_seconds: Seconds = 10.0
    """Seconds between two re-asserts of all sessions. Default 10: routes live for 60 s."""
    storm_foreground_ms: Count = 2_000
    """Milliseconds over which clients that a person looks at return after a lost stream.
    Default 2,000: a connect costs 1 ms, so one pod takes 2,000 back in that time."""
    storm_background_ms: Count = 30_000
    """The same for clients in the background. Default 30,000: nobody waits for them."""

    @model_validator(mode="after")
    def _has_background_bounds_in_order(self) -> Self:
        if self.background_heartbeat_min_seconds > self.background_heartbeat_max_seconds:
            raise ValueError(
                "background_heartbeat_min_seconds is above background_heartbeat_max_seconds"
            )
        return self

    def heartbeat_of(self, *, background: bool, interval_ms: int) -> float:
        """Seconds between the pings of a client that says this of itself (AppState): in the
        foreground the fixed interval, in the background its own within the bounds."""
        if not background or not interval_ms:
            return self.heartbeat_seconds
        low, high = self.background_heartbeat_min_seconds, self.background_heartbeat_max_seconds
        return min(max(interval_ms / 1000, low), high)


class DrainSettings(SettingsGroup):
    """How the pod empties, and what it takes when others do."""

    deadline_seconds: Seconds = 60.0
    """Seconds from SIGTERM, or from the preStop hook, until the last stream is ended. Default
    60: 1,000 sessions to two pods at their budgets. The pod's grace period must be longer
    (docs/operations/drain.md has the formula)."""
    settle_seconds: Annotated[float, Field(ge=0)] = 5.0
    """Seconds between cordon and the first move. Default 5: so long endpoints take to follow."""
    nowhere_seconds: Annotated[float, Field(ge=0)] = 3.0
    """Seconds that a pod which is being stopped waits for a target when it knows of none; then it
    ends its streams, and their clients come back by themselves. Default 3: the last pod of a
    stack that goes down has nothing to wait for. Longer where pods of a surge are on their way."""
    close_spread_seconds: Seconds = 2.0
    """Seconds over which clients that did not move are told to return. Default 2: as the storm
    window."""
    arrivals_per_second: Annotated[float, Field(ge=1)] = 12.0
    """Sessions a second that may move here; the others are told Busy. Default 12: 15 % of what a
    pod takes on a small machine (two slow cores with everything on them, clients included, took
    130 attaches a second in all), so that nobody who is here notices. Raise it to 15 % of what
    `whimbrel bench drain` shows on yours."""
    max_sessions: Annotated[int, Field(ge=0)] = 0
    """Sessions beyond which newcomers are told Busy. Default 0: any number. A stream costs about
    50 KiB."""
    jitter_ms: Annotated[int, Field(ge=0)] = 50
    """Milliseconds over which one client that is asked to move waits. Default 50: the pace
    spreads them already."""
    linger_seconds: Annotated[float, Field(ge=0)] = 2.0
    """Seconds for which the old stream of a session that has moved stays open, so that its last
    answers arrive and the client has switched before Fin comes: one whose Fin overtakes its
    Welcome is without a stream for a moment. Default 2: long round trips, and a client or a pod
    that stands still for a second."""
    socket: Path | None = None
    """Unix socket of the preStop hook (python -m services.access.prestop). Default none: SIGTERM
    alone begins the drain."""


class DeviceSettings(SettingsGroup):
    """How many devices of a platform a user may have attached at once. All Access pods must be
    told the same. A platform is what a client calls itself in Hello; without a name, "other"."""

    limits: dict[Platform, Count] = Field(default_factory=dict)
    """Devices for each platform, as JSON: {"phone": 1, "desktop": 5}. A limit that is lowered
    also holds for devices that are there, within assert_seconds. Default none: what a user may
    have is for whoever runs this to say."""
    policy: Policy = "kick_oldest"
    """Who yields above a limit: kick_oldest, the device that attached first, or refuse, the new
    one. Default kick_oldest: a person holds the new one in their hands, and a lost phone must
    not lock them out."""
    policies: dict[Platform, Policy] = Field(default_factory=dict)
    """Another policy for certain platforms, as JSON: {"desktop": "refuse"}. Each must have a
    limit. Default none: the one above holds for all."""

    @model_validator(mode="after")
    def _has_a_limit_for_every_policy(self) -> Self:
        for platform in self.policies:
            if platform not in self.limits:
                raise ValueError(f"policies names {platform!r}, which has no limit")
        return self

    def limit_of(self, platform: str) -> int:
        """Devices of this platform; 0 means any number."""
        return self.limits.get(platform, 0)

    def refuses(self, platform: str) -> bool:
        """Whether the new one yields."""
        return self.policies.get(platform, self.policy) == "refuse"


class AccessSettings(ServiceSettings):
    """Everything that an Access pod reads from its environment."""

    role: ClassVar[str] = "access"

    router: RouterTarget
    """Where the Router is."""
    auth: AuthSettings
    """What tokens are verified with."""
    stream: StreamSettings = StreamSettings()
    """The streams of clients."""
    drain: DrainSettings = DrainSettings()
    """Coming and going."""
    devices: DeviceSettings = DeviceSettings()
    """Limits to the devices of a user."""
    redis: RedisSettings | None = None
    """The Redis of the Routers, through which pods share their bans. Default none: each keeps its
    own."""
    shell: ShellSettings = ShellSettings()
    """Limits to what addresses, users and streams may ask of a pod."""
    access: ProcessSettings = ProcessSettings()
    """In how many processes it runs."""

    @property
    def pod_name(self) -> str:
        """What the platform calls the pod; `pod.id` names the process."""
        return self.access.process_of or self.pod.id

    @property
    def shares_port(self) -> bool:
        """With the other processes of its pod."""
        return self.access.has_parent
