"""Bytes that are shown as a token, a ticket or a refresh token; and claims that we signed.

The second half is for the day on which somebody else signs them: a token of ours may have any
JSON in its claims, and still only UNAUTHENTICATED or TOKEN_EXPIRED may come out.
"""

from __future__ import annotations

import base64
import hmac
import json
from typing import Final

from services.access.tickets import TicketOffice
from services.gateway.domain.refresh_tokens import RefreshTokens
from tests.fuzz.bytes.records import split
from whimbrel.core.errors import ErrorCode, WhimbrelError
from whimbrel.runtime.tokens import TokenVerifier

SECRET: Final = b"0123456789abcdef0123456789abcdef"
NOW: Final = 1_800_000_000.0
SHOWN, CLAIMS, HEADER = 0, 1, 2
"""Tags, modulo 3: the token as it is shown; the claims, or the header, of one that we signed."""
_HEADER: Final = b'{"alg":"HS256","typ":"JWT"}'
_CLAIMS: Final = b'{"sub":"alice","exp":1800000900}'
_VERIFIER = TokenVerifier(SECRET, clock=lambda: NOW)
_OFFICE = TicketOffice(SECRET, clock=lambda: NOW)
_REFRESH = RefreshTokens(SECRET)
_EXPECTED: Final = {ErrorCode.UNAUTHENTICATED, ErrorCode.TOKEN_EXPIRED}


def fuzz_credentials(data: bytes) -> None:
    """Each record is shown wherever a credential is read."""
    for tag, payload in split(data):
        kind = tag % 3
        if kind == SHOWN:
            _show(payload.decode("utf-8", errors="surrogateescape"))
        else:
            header, claims = (_HEADER, payload) if kind == CLAIMS else (payload, _CLAIMS)
            _show(signed(header, claims))


def signed(header: bytes, claims: bytes) -> str:
    """A token by our secret that says whatever these bytes say."""
    text = b".".join(base64.urlsafe_b64encode(one).rstrip(b"=") for one in (header, claims))
    tag = base64.urlsafe_b64encode(hmac.digest(SECRET, text, "sha256")).rstrip(b"=")
    return (text + b"." + tag).decode()


def _need_expected(error: WhimbrelError) -> None:
    assert error.code in _EXPECTED, error


def _show(token: str) -> None:
    try:
        claims = _VERIFIER.verify(token)
        json.dumps([claims.user_id, sorted(claims.scopes), claims.login_id])
    except WhimbrelError as error:
        _need_expected(error)
    _OFFICE.read(token, pod_id="access-0", device_id="phone", instance_id="one")
    try:
        _REFRESH.login_of(token)
    except WhimbrelError as error:
        _need_expected(error)
