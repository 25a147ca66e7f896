"""Who may come in: by token, by ticket, and whether there is room. No waiting, no I/O.

In this order: a bad token is told first, a pod that empties sends everybody on, a full one says
Busy, and so does one whose budget of arrivals by ticket is used up (rule 22). Nobody who is here
is ever sent away to make room.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from services.access import frames
from services.access.arrivals import Arrivals
from services.access.client_stream import ClientStream
from services.access.move_targets import MoveTargets
from services.access.refusals import SentElsewhereError, StreamRefusedError
from services.access.revocations import REVOKED
from services.access.session_table import SessionTable
from services.access.settings import DrainSettings
from services.access.tickets import TicketOffice
from whimbrel.api.access.v1 import access_pb2
from whimbrel.core.errors import CloseCode, ErrorCode, WhimbrelError
from whimbrel.core.revocations import RevocationTable
from whimbrel.runtime.tokens import TokenVerifier

_RETRY_AFTER_MS: Final = 500
_FULL_RETRY_SECONDS: Final = 5.0


class Admission:
    """The door of one pod."""

    def __init__(
        self,
        pod_id: str,
        tokens: TokenVerifier,
        tickets: TicketOffice,
        arrivals: Arrivals,
        targets: MoveTargets,
        table: SessionTable,
        settings: DrainSettings,
        is_cordoned: Callable[[], bool],
        revoked: RevocationTable,
        is_full: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_full`: there is no room, whatever max_sessions says."""
        self._pod_id = pod_id
        self._tokens = tokens
        self._tickets = tickets
        self._arrivals = arrivals
        self._targets = targets
        self._table = table
        self._settings = settings
        self._is_cordoned = is_cordoned
        self._revoked = revoked
        self._is_full = is_full

    def admit(self, stream: ClientStream, hello: access_pb2.Hello, now: float) -> int:
        """Set whose stream it is; the epoch that its ticket leaves, 0 without a good ticket.

        Raises StreamRefusedError or SentElsewhereError. The stream knows its device already.
        """
        ticket = None
        if hello.ticket:
            ticket = self._tickets.read(
                hello.ticket,
                pod_id=self._pod_id,
                device_id=hello.device_id,
                instance_id=hello.instance_id,
            )
            if ticket is not None and self._revoked.refuses(ticket.credential, hello.device_id):
                # The token may be a newer one.
                ticket = None
        if ticket is None:
            self._identify(stream, hello.token)
        else:
            stream.user_id, stream.expires_at = ticket.user_id, ticket.expires_at
            stream.credential = ticket.credential
        if self._is_cordoned():
            raise self._redirect(stream, hello, now)
        most = self._settings.max_sessions
        if (most and len(self._table) >= most) or self._is_full():
            raise self._busy(stream, hello, _FULL_RETRY_SECONDS, now)
        if ticket is None:
            return 0
        wait = self._arrivals.admit(now)
        if wait > 0:
            raise self._busy(stream, hello, wait, now)
        stream.arrived_at = now
        return ticket.epoch

    def attached(self, seconds: float, now: float) -> None:
        """An attach took so long."""
        self._arrivals.attached(seconds, now)

    def _identify(self, stream: ClientStream, token: str) -> None:
        try:
            claims = self._tokens.verify(token)
        except WhimbrelError as error:
            expired = error.code is ErrorCode.TOKEN_EXPIRED
            code = CloseCode.TOKEN_EXPIRED if expired else CloseCode.BAD_TOKEN
            raise StreamRefusedError(code, error.detail) from None
        if self._revoked.refuses(claims.credential, stream.device_id):
            raise StreamRefusedError(CloseCode.REVOKED, REVOKED)
        stream.user_id, stream.expires_at = claims.user_id, claims.expires_at
        stream.credential = claims.credential

    def _redirect(
        self, stream: ClientStream, hello: access_pb2.Hello, now: float
    ) -> StreamRefusedError | SentElsewhereError:
        if not hello.migrates:
            return StreamRefusedError(CloseCode.SHUTDOWN, "the pod stops", _RETRY_AFTER_MS)
        targets = self._targets.elsewhere(stream, hello.epoch, now)
        if not targets:
            return StreamRefusedError(CloseCode.SHUTDOWN, "the pod stops", _RETRY_AFTER_MS)
        return SentElsewhereError(frames.redirect(targets, self._settings.jitter_ms))

    def _busy(
        self, stream: ClientStream, hello: access_pb2.Hello, wait: float, now: float
    ) -> StreamRefusedError | SentElsewhereError:
        retry_after_ms = max(1, round(wait * 1000))
        if not hello.migrates:
            return StreamRefusedError(
                CloseCode.OVERLOADED, "the pod has as many sessions as it takes", retry_after_ms
            )
        # A client whose stream stays where it is was told its targets there.
        targets = [] if hello.ticket else self._targets.elsewhere(stream, 0, now)
        return SentElsewhereError(frames.busy(targets, retry_after_ms))
