"""What an operator can set for the drain controller, each with unit, default and reason."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from services.drain.domain.orders import PlannerLimits
from whimbrel.runtime.settings import RouterTarget, ServiceSettings
from whimbrel.runtime.settings_group import Address, Seconds, SettingsGroup

Rate = Annotated[float, Field(gt=0)]


class PlatformSettings(SettingsGroup):
    """Whatever runs the pods."""

    kind: Literal["local", "kubernetes"] = "kubernetes"
    """Default kubernetes; `whimbrel up` sets local."""
    address: Address | None = None
    """local: host:port of the supervisor's PlatformService."""
    namespace: str = ""
    """kubernetes: the namespace of the pods. Default: the controller's own."""
    lease_name: str = "whimbrel-drain"
    """Name of the lease that makes one controller the leader."""

    @model_validator(mode="after")
    def _knows_where_the_supervisor_is(self) -> Self:
        if self.kind == "local" and self.address is None:
            raise ValueError("address must be set for the local platform")
        return self


class LeaderSettings(SettingsGroup):
    """The lease of the leader."""

    lease_seconds: Seconds = 15.0
    """Seconds after which another controller leads when the leader says nothing. Default 15, as
    Kubernetes' own controllers; pods drain by themselves meanwhile."""
    renew_seconds: Seconds = 5.0
    """Seconds between two renewals. Default 5: two of them may be lost."""

    @model_validator(mode="after")
    def _renews_in_time(self) -> Self:
        if self.renew_seconds * 2 > self.lease_seconds:
            raise ValueError("renew_seconds must be at most half of lease_seconds")
        return self


class PlanSettings(SettingsGroup):
    """How plans are made."""

    deadline_seconds: Annotated[float, Field(gt=0, le=600)] = 60.0
    """Seconds for a drain when nobody says. Default 60, at most 600: the cluster autoscaler
    waits no longer."""
    operator_per_second: Rate = 1_000.0
    """Sessions moved in a second over the whole cluster, at most. Default 1,000; lower it when
    something behind the pods suffers from attaches."""
    route_store_per_second: Rate = 2_000.0
    """Routes that the store behind the Router swaps in a second, at most. Default 2,000: a tenth
    of what one Redis does, since it has the messages to serve too."""
    default_budget_per_second: Rate = 100.0
    """Arrivals in a second for a target that does not say its own budget. Default 100: 15 % of
    what a pod with one core attaches."""
    rebalances: bool = True
    """Whether sessions are moved after a scale-out without being asked. Default true: else a new
    pod stays empty for days."""

    def limits(self) -> PlannerLimits:
        """As the planner takes them."""
        return PlannerLimits(
            deadline_seconds=self.deadline_seconds,
            operator_per_second=self.operator_per_second,
            route_store_per_second=self.route_store_per_second,
            default_budget_per_second=self.default_budget_per_second,
            rebalances=self.rebalances,
        )


class DrainSettings(ServiceSettings):
    """Everything that a drain controller can be told."""

    role: ClassVar[str] = "drain"

    platform: PlatformSettings
    """What runs the pods."""
    router: RouterTarget
    """Where this controller registers and learns of the Access pods."""
    leader: LeaderSettings = LeaderSettings()
    """The lease of the leader."""
    plans: PlanSettings = PlanSettings()
    """How plans are made."""
