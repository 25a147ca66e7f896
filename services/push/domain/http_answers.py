"""What a browser's push service and an application's own server answer, and what it means.

Sources: RFC 8030 (Web Push) 5 and 7.3, RFC 8292 (VAPID) 4.2; Standard Webhooks, "Delivery".
Each endpoint is a server of its own: its troubles say nothing about the others, so none of these
outcomes says that the provider suffers.
"""

from __future__ import annotations

from services.push.domain.outcomes import DELIVERED, Outcome, Result


def webpush_outcome(status: int, retry_after: float | None) -> Outcome:
    """The outcome of an answer of a push service."""
    said = f"status {status}"
    if 200 <= status < 300:
        return DELIVERED
    if status in (404, 410):  # the subscription has ended
        return Outcome(Result.DEAD_TOKEN, said)
    if status in (408, 429) or status >= 500:
        return Outcome(Result.RETRY, said, retry_after)
    # 400, 401, 403, 413: our headers, our key, our payload; 3xx: never followed.
    return Outcome(Result.REFUSED, said)


def webhook_outcome(status: int, retry_after: float | None) -> Outcome:
    """The outcome of an answer of an application's server."""
    said = f"status {status}"
    if 200 <= status < 300:
        return DELIVERED
    if status == 410:  # it wants no more
        return Outcome(Result.DEAD_TOKEN, said)
    if status in (408, 425, 429) or status >= 500:
        return Outcome(Result.RETRY, said, retry_after)
    return Outcome(Result.REFUSED, said)
