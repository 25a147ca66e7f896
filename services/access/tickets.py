"""Tickets: short-lived, signed admissions of one device to one pod, so that a session can move
without the login path (rule 23).

JSON Web Tokens with the secret of the Access pods and an audience of their own: no token of a user
is ever taken for one, and none of these for a token of a user. A ticket is never logged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import jwt

from whimbrel.core.revocations import Credential

TICKET_SECONDS: Final = 60.0
_AUDIENCE: Final = "whimbrel-ticket"
_LEEWAY_SECONDS: Final = 5.0
"""The clocks of two pods differ by this at most."""


@dataclass(frozen=True)
class Ticket:
    """Whom it admits, where, and instead of what."""

    user_id: str
    device_id: str
    instance_id: str
    pod_id: str
    """The pod that it is for: a route names the process, and that may change meanwhile."""
    epoch: int
    """The epoch that it leaves; it serves once, because the epoch changes then."""
    expires_at: float
    """Seconds since the Unix epoch at which the credential of the session ends."""
    login_id: str = ""
    issued_at: float = 0.0
    """Of that credential, as in a token; 0 in a ticket of a pod that is older than revocations."""

    @property
    def credential(self) -> Credential:
        """What of it revocations look at."""
        return Credential(self.user_id, self.login_id, self.issued_at)


class TicketOffice:
    """Writes and reads tickets. About 20 µs each, no I/O."""

    def __init__(self, secret: bytes, *, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since the Unix epoch."""
        self._secret = secret
        self._clock = clock

    def write(self, ticket: Ticket) -> str:
        """Sign it."""
        claims = {
            "aud": _AUDIENCE,
            "sub": ticket.user_id,
            "dev": ticket.device_id,
            "ins": ticket.instance_id,
            "pod": ticket.pod_id,
            "epo": str(ticket.epoch),
            "cex": ticket.expires_at,
            "sid": ticket.login_id,
            "cia": ticket.issued_at,
            "exp": min(self._clock() + TICKET_SECONDS, ticket.expires_at),
        }
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def read(self, signed: str, *, pod_id: str, device_id: str, instance_id: str) -> Ticket | None:
        """What it says; None when it is not good here and now for this device."""
        try:
            claims = jwt.decode(
                signed,
                self._secret,
                algorithms=["HS256"],
                audience=_AUDIENCE,
                options={"require": ["sub", "exp", "aud"], "verify_exp": False},
            )
            ticket = Ticket(
                str(claims["sub"]),
                str(claims["dev"]),
                str(claims["ins"]),
                str(claims["pod"]),
                int(claims["epo"]),
                float(claims["cex"]),
                str(claims.get("sid", "")),
                float(claims.get("cia", 0)),
            )
            expires_at = float(claims["exp"])
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, OverflowError):
            return None
        is_ours = (ticket.pod_id, ticket.device_id, ticket.instance_id) == (
            pod_id,
            device_id,
            instance_id,
        )
        return ticket if is_ours and expires_at + _LEEWAY_SECONDS > self._clock() else None
