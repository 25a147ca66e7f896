"""What can be set about traces, each with its unit, default and reason."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from whimbrel.runtime.settings_group import SettingsGroup


def _check_otlp(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError(f"{value!r} is not http://host:port or https://host:port")
    return value


OtlpEndpoint = Annotated[str, AfterValidator(_check_otlp)]


class TracingSettings(SettingsGroup):
    """Which messages are traced. All Access pods should be told the same."""

    ratio: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of the messages that the sender's Access pod begins a trace for. Default 0.01: at
    1,000 messages a second ten traces a second, and next to no cost."""
    client_traces_per_second: Annotated[float, Field(ge=0)] = 10.0
    """Traces begun by clients that one Access pod goes on with in a second; above it their
    messages travel without. Default 10: enough for who looks for something, and no client makes
    the pods busy with spans."""
