"""What can be set about webhooks for the host product, each with its unit, default and reason."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from whimbrel.core.host_events import DEFAULT_KINDS, EventKind, parse_kinds
from whimbrel.runtime.settings_group import Seconds, SettingsGroup


def _check_kinds(value: str) -> str:
    parse_kinds(value)
    return value


class WebhookSettings(SettingsGroup):
    """What the host product's own backend is asked, and told."""

    before_send_url: str = ""
    """http(s) URL that is asked before a message is stored. Default none: nobody is asked, and
    a send costs nothing more."""
    secrets_file: Path | None = None
    """File with the secrets that requests are signed with, one a line as whsec_<base64>; each
    request carries a signature for every one of them, so that they can be rotated. No default:
    it must be given with a URL. A file, not a value: environments are printed by accident."""
    before_send_timeout_seconds: Annotated[float, Field(gt=0, le=5)] = 0.3
    """Seconds for which a message waits at most, for a free request too, and which one request
    may take, connecting included. Default 0.3: a person does not notice. At most 5: half of what
    a send may take."""
    before_send_on_failure: Literal["allow", "reject"] = "allow"
    """What becomes of a message when there is no answer in time, or none that can be used.
    Default allow: a backend that is down silences nobody. reject: UNAVAILABLE with a
    retry_after, so that the client keeps the message and sends it again."""
    before_send_requests: Annotated[int, Field(ge=1, le=256)] = 16
    """Requests in flight from one Logic pod. Default 16: with 32 messages in each, a backend
    that answers in 20 ms is asked about 25,000 a second."""
    failures_to_open: Annotated[int, Field(ge=1)] = 5
    """Failures one after the other after which nobody is asked for a while. Default 5: one lost
    packet is no outage."""
    open_seconds: Seconds = 5.0
    """Seconds until one request tries again. Default 5: in that time a backend has restarted."""

    events_url: str = ""
    """http(s) URL that is told what happened. Default none: nothing is recorded. Logic records,
    push delivers: both must be given it."""
    events: Annotated[str, AfterValidator(_check_kinds)] = DEFAULT_KINDS
    """Which kinds of events are wanted, with commas; of Logic. Default
    "message.sent,group.changed": receipts and presence are many, and cost writes."""
    events_offline_seconds: Seconds = 30.0
    """Seconds without any device after which a user is told to be offline. Default 30: a
    migration, a tunnel, a pod that died and a Redis that forgot where everybody is are over."""
    events_bodies: bool = False
    """Whether events carry the bodies of messages. Default false: who was told of a message may
    ask for it, and bodies need not lie in a second place."""
    events_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    """Seconds for one request. Default 10: nobody waits for it but the next events of the same
    conversation."""
    events_give_up_seconds: Seconds = 259_200.0
    """Seconds after which an event is a dead letter. Default three days: a weekend."""
    events_requests: Annotated[int, Field(ge=1, le=256)] = 8
    """Requests in flight from one push pod, each for another conversation. Default 8."""

    @property
    def wanted_events(self) -> frozenset[EventKind]:
        """Those of `events`."""
        return parse_kinds(self.events)

    @model_validator(mode="after")
    def _can_be_signed(self) -> Self:
        for name in ("before_send_url", "events_url"):
            url = getattr(self, name)
            if url and not url.startswith(("http://", "https://")):
                raise ValueError(f"{name} must begin with http:// or https://")
            if url and self.secrets_file is None:
                raise ValueError(f"secrets_file must be set with {name}")
        return self
