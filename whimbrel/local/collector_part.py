"""Where the traces of a stack go: to a collector of its own, to another one, or nowhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import partial

from whimbrel.local.cluster import is_serving
from whimbrel.local.part import Part
from whimbrel.local.pod_settings import environment_with
from whimbrel.local.state import DataFolder

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_EXPORT_DELAY_MS = "200"
"""Somebody looks at one machine's traces at once; the library's own 5 s are for clusters."""


@dataclass(frozen=True)
class Collector:
    """A collector by its URL; None: there are no traces, unless the environment says where."""

    otlp_url: str | None
    ratio: float
    query_url: str = ""
    """http:// URL of its query API, if it is this stack's own."""
    parts: list[Part] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """What every service is told."""
        if self.otlp_url is None:
            return {}
        return {
            _ENDPOINT: self.otlp_url,
            "OTEL_BSP_SCHEDULE_DELAY": _EXPORT_DELAY_MS,
            "WHIMBREL_TRACING__RATIO": f"{self.ratio:g}",
        }


def own_collector(address: str, query_address: str, folder: DataFolder, ratio: float) -> Collector:
    """One that runs as a part of the stack, at `address`; both are host:port."""
    settings = {
        "WHIMBREL_POD__ID": "collector",
        "WHIMBREL_POD__LISTEN": address,
        "WHIMBREL_LOG__FORMAT": "json",
        "WHIMBREL_HTTP_LISTEN": query_address,
    }
    environment = environment_with(settings)
    environment.pop(_ENDPOINT, None)  # it has no traces of its own
    part = Part(
        name="collector",
        role="collector",
        address=address,
        command=(sys.executable, "-m", "whimbrel.local.traces"),
        log=folder.logs / "collector.log",
        is_ready=partial(is_serving, address),
        environment=environment,
        folder=folder.path,
        grace_seconds=5.0,
    )
    return Collector(f"http://{address}", ratio, f"http://{query_address}", [part])
