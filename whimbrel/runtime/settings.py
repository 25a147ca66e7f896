"""The groups of settings that services share, and the base class that reads them.

A service's settings class lists the groups that it needs; values come from WHIMBREL_*
variables (`WHIMBREL_REDIS__URL` is `redis.url`), are read once and passed down. Nothing else
reads the environment. How they are loaded and refused is in `settings_loading`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from whimbrel.core.errors import WhimbrelError
from whimbrel.core.names import check_name
from whimbrel.runtime.auth_settings import AuthSettings
from whimbrel.runtime.settings_environment import Environment
from whimbrel.runtime.settings_group import Address, Seconds, SettingsGroup, check_address
from whimbrel.runtime.tls_settings import CertificateSettings, TlsSettings
from whimbrel.runtime.tracing_settings import OtlpEndpoint, TracingSettings
from whimbrel.runtime.webhook_settings import WebhookSettings


def _check_pod_id(value: str) -> str:
    if value:
        try:
            check_name(value, "the pod's id")
        except WhimbrelError as error:
            raise ValueError(error.detail) from None
    return value


def _check_addresses(value: str) -> str:
    for address in value.split(","):
        check_address(address.strip())
    return value


class PodSettings(SettingsGroup):
    """Who this process is and where it listens."""

    id: Annotated[str, AfterValidator(_check_pod_id)] = ""
    """The pod's name, stable over restarts. Default "<role>-0": right for one pod of a role."""
    listen: Address = "127.0.0.1:0"
    """host:port to bind; port 0 takes a free one. Default: loopback, so that nothing is open to
    the network unless somebody says so."""
    advertise: str | None = None
    """Where others reach this pod: "host" or "host:port". Default: what was bound. Must be set
    when listening on all interfaces, because nobody can dial 0.0.0.0."""
    revision: str = "dev"
    """Version of the program, shown in the registry. Default "dev": not a release."""
    node: str = ""
    """Machine that the pod runs on; alternates of a move are on others. Default: not known."""
    zone: str = ""
    """Failure zone of that machine. Default: not known."""
    grace_seconds: Seconds = 5.0
    """Seconds that each step of stopping may take. Default 5: three of them stay under the 30 s
    after which Kubernetes kills."""

    @model_validator(mode="after")
    def _names_a_reachable_address(self) -> Self:
        host = self.listen.rpartition(":")[0]
        if host in ("0.0.0.0", "[::]") and not self.advertise:
            raise ValueError(f"advertise must be set when listening on {host}")
        return self


class LogSettings(SettingsGroup):
    """How logs look."""

    format: Literal["json", "pretty", "auto"] = "auto"
    """Default auto: pretty on a terminal, JSON elsewhere. WHIMBREL_LOG=json says the same."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is written. Default info: state changes, never one per message."""


class MetricsSettings(SettingsGroup):
    """Where Prometheus finds the figures."""

    listen: Address | None = None
    """host:port to bind for GET /metrics; port 0 takes a free one, which the log names. Default
    none: nothing listens unless somebody says so. No login and no secrets there, but only those
    who watch should reach it."""


class MongoSettings(SettingsGroup):
    """Where messages are stored."""

    url: str
    """mongodb:// URL of a replica set. No default: losing data to a wrong one is too easy."""
    database: str = "whimbrel"
    """Name of the database. Default "whimbrel"."""
    driver: Literal["pymongo", "motor"] = "pymongo"
    """Default pymongo: its async API is faster, and motor's authors ended motor in its favour."""
    timeout_seconds: Seconds = 5.0
    """Seconds for one operation, retries included. Default 5: half of a send's 10 s deadline, so
    that the sender is still told that the outcome is unknown."""


class RedisSettings(SettingsGroup):
    """Where what can be rebuilt is kept."""

    url: str
    """redis:// URL. No default: it must be the one that the other pods use."""
    timeout_seconds: Seconds = 1.0
    """Seconds for connecting and for one round trip. Default 1: Redis answers in 1 ms or is
    away, and everything that asks it tries again."""
    max_connections: Annotated[int, Field(ge=1)] = 16
    """Connections at most; who finds none waits timeout_seconds. Default 16: calls come in
    batches, a few at once."""


class RouterTarget(SettingsGroup):
    """Where the Router is."""

    addresses: Annotated[str, AfterValidator(_check_addresses)]
    """host:port[,host:port]. One host name may stand for many Routers (DNS); several must be IP
    addresses. No default: a pod without a Router is of no use."""


class ServiceSettings(BaseSettings):
    """Base of every service's settings. Subclasses set `role` and add their groups."""

    model_config = SettingsConfigDict(
        env_prefix="WHIMBREL_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )

    role: ClassVar[str] = "pod"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is passed, then the environment, and nothing else."""
        return init_settings, Environment(settings_cls)

    pod: PodSettings = PodSettings()
    """Who this process is."""
    log: LogSettings = LogSettings()
    """How it logs."""
    metrics: MetricsSettings = MetricsSettings()
    """Where its figures are."""
    tls: TlsSettings = TlsSettings()
    """How it and the other pods know each other."""
    client_tls: CertificateSettings = CertificateSettings()
    """What clients are shown: the streams of Access, the HTTP of the gateway. Default: clients
    come without TLS, or through a proxy that ends it."""
    tracing: TracingSettings = TracingSettings()
    """Which messages are traced."""
    otlp_endpoint: OtlpEndpoint | None = Field(
        default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    """http:// or https:// URL of an OpenTelemetry collector that speaks OTLP over gRPC. Under its
    standard name, since one environment serves many programs. Default none: no traces."""

    @property
    def shares_port(self) -> bool:
        """Whether several processes listen on this port on purpose."""
        return False

    @model_validator(mode="after")
    def _name_the_pod(self) -> Self:
        if not self.pod.id:
            named = self.pod.model_copy(update={"id": f"{self.role}-0"})
            object.__setattr__(self, "pod", named)  # frozen, and this is still construction
        return self


SHARED_GROUPS: dict[str, type[SettingsGroup]] = {
    "pod": PodSettings,
    "log": LogSettings,
    "metrics": MetricsSettings,
    "tls": TlsSettings,
    "client_tls": CertificateSettings,
    "tracing": TracingSettings,
    "mongo": MongoSettings,
    "redis": RedisSettings,
    "router": RouterTarget,
    "auth": AuthSettings,
    "webhooks": WebhookSettings,
}
"""Every group that one environment may carry for several services at once."""
