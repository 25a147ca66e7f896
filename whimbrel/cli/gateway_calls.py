"""Asks the gateway of the stack on this machine, as its administrator.

The token is signed with the stack's own key and holds for a minute.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whimbrel.cli.edge import CommandError
from whimbrel.cli.options import folder_of
from whimbrel.core.errors import ErrorCode, WhimbrelError, unavailable

if TYPE_CHECKING:
    import ssl
    import urllib.error

OPERATOR: Final = "operator"
"""Who the audit log says it was."""
_TOKEN_SECONDS: Final = 60.0
_CALL_SECONDS: Final = 15.0


def believing(ca_file: str) -> ssl.SSLContext | None:
    """What to speak TLS with to a stack whose authority is in this file; None for no file."""
    import ssl

    return ssl.create_default_context(cafile=ca_file) if ca_file else None


class AdminGateway:
    """One stack's gateway."""

    def __init__(self, data: Path | None) -> None:
        """Raises StackError when no stack runs, CommandError when it has no gateway."""
        import urllib.request

        folder = folder_of(data)
        record = folder.running()
        self._url = record.gateway
        # Proxies of the environment are for the world outside.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=believing(record.ca_file)),
        )
        self._key = folder.signing_key()
        if not self._url:
            raise CommandError(
                "this stack has no gateway: start one with `whimbrel up --gateway 1`"
            )

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The answer, decoded; None when it has no body. Raises the WhimbrelError that the
        gateway answered, or UNAVAILABLE when it did not."""
        import urllib.error
        import urllib.request

        from whimbrel.runtime.tokens import sign_token

        token = sign_token(self._key, OPERATOR, _TOKEN_SECONDS, now=time.time(), scope="admin")
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=_CALL_SECONDS) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            raise _refusal(error) from None
        except OSError as error:
            raise unavailable(f"the gateway at {self._url} does not answer: {error}") from None
        return json.loads(content) if content else None


def _refusal(error: urllib.error.HTTPError) -> WhimbrelError:
    try:
        said = json.loads(error.read())["error"]
        return WhimbrelError(ErrorCode[said["code"]], said["detail"])
    except (ValueError, KeyError, TypeError):
        return WhimbrelError(ErrorCode.INTERNAL, f"the gateway answered HTTP status {error.code}")
