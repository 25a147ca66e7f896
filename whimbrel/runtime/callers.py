"""Asks who calls: the role that a pod's certificate names, and whether it may call this.

A certificate names its role by a DNS name, the role before the name that all pods have
("access.whimbrel-pod"). Asked once for each call, a stream being one, and never for each message.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from prometheus_client.core import Metric

from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.call_rights import CALLERS_OF, FOR_EVERY_POD, MAY_CALL
from whimbrel.runtime.logs import get_logger
from whimbrel.runtime.metrics import counter
from whimbrel.runtime.tls_settings import TlsSettings

if TYPE_CHECKING:
    import grpc

_log = get_logger(__name__)

NAMELESS: Final = "none"
"""For the figures: a certificate that names no role."""
STRANGE: Final = "other"
"""The same: one that names a role that this pod does not know, or several."""
ADMITTED: Final = "admitted"
REFUSED: Final = "refused"
_QUIET_SECONDS: Final = 60.0
"""Between two log lines about the same refusal: who calls in vain calls often."""


def role_name(role: str, pods: str) -> str:
    """The DNS name that says the role in a certificate; `pods` is the name that all pods have."""
    return f"{role}.{pods}"


def roles_in(identities: Mapping[str, Iterable[bytes]], pods: str) -> frozenset[str]:
    """The roles that a certificate names, known or not; `identities` is gRPC's auth context."""
    tail = role_name("", pods).encode()
    names = identities.get("peer_dns", ())
    return frozenset(name[: -len(tail)].decode() for name in names if name.endswith(tail))


class Callers:
    """Admits the callers of one server. `counts` is by (role, ADMITTED or REFUSED)."""

    def __init__(self, tls: TlsSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pods = tls.name
        self._required = tls.roles_required
        self._clock = clock
        self._said_at: dict[tuple[str, str], float] = {}
        self.counts: Counter[tuple[str, str]] = Counter()

    def admit(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Raises PERMISSION_DENIED when the caller may not call `method` ("/service/method")."""
        if method[1:].partition("/")[0] in FOR_EVERY_POD:
            return
        roles = roles_in(context.auth_context(), self._pods)
        permitted = CALLERS_OF.get(method, frozenset())
        if roles & permitted or not (roles or self._required):
            self.counts[_label(roles), ADMITTED] += 1
            return
        self.counts[_label(roles), REFUSED] += 1
        caller = ", ".join(sorted(roles)) or "a pod whose certificate names no role"
        self._say(_label(roles), caller, method)
        whom = ", ".join(sorted(permitted)) or "nobody"
        raise WhimbrelError(
            ErrorCode.PERMISSION_DENIED,
            f"{caller} may not call {method[1:]}: only {whom} may",
        )

    def _say(self, label: str, caller: str, method: str) -> None:
        now = self._clock()
        if now - self._said_at.get((label, method), -_QUIET_SECONDS) >= _QUIET_SECONDS:
            self._said_at[label, method] = now
            _log.warning("caller_refused", caller=caller, method=method)


def callers_of(tls: TlsSettings, *, client_facing: bool) -> Callers | None:
    """Who admits callers; None where they show no certificate: clients, and plain text."""
    return None if client_facing or not tls.is_set else Callers(tls)


def caller_metrics(callers: Callers) -> Iterator[Metric]:
    """Of every server that is called with certificates."""
    roles = (*MAY_CALL, NAMELESS, STRANGE)
    yield counter(
        "whimbrel_service_callers_total",
        "gRPC calls of pods with certificates, by the role that the certificate names.",
        {(role, end): callers.counts[role, end] for role in roles for end in (ADMITTED, REFUSED)},
        labels=("role", "outcome"),
    )


def _label(roles: frozenset[str]) -> str:
    if not roles:
        return NAMELESS
    role = next(iter(roles))
    return role if len(roles) == 1 and role in MAY_CALL else STRANGE
