"""Puts together what asks the host product before a message is stored."""

from __future__ import annotations

from services.logic.usecases.ask_host import AskHost
from services.logic.usecases.check_sends import CheckSends
from services.logic.usecases.patience import Clock
from services.logic.usecases.screen_sends import ScreenSends
from services.logic.webhook_ports import HostOpinion
from whimbrel.core.breaker import Breaker
from whimbrel.runtime.webhook_settings import WebhookSettings


def assemble_screen(
    opinion: HostOpinion,
    checks: CheckSends,
    settings: WebhookSettings | None,
    *,
    max_waiting: int,
    clock: Clock,
) -> ScreenSends:
    """Wire it. At most `max_waiting` sends wait for the checks, and as many for a verdict."""
    settings = settings or WebhookSettings()
    host = AskHost(
        opinion,
        Breaker(settings.failures_to_open, settings.open_seconds),
        requests=settings.before_send_requests,
        timeout_seconds=settings.before_send_timeout_seconds,
        max_waiting=max_waiting,
        rejects_on_failure=settings.before_send_on_failure == "reject",
        clock=clock,
    )
    return ScreenSends(host, checks, max_waiting=max_waiting, clock=clock)
