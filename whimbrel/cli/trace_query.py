"""Asks for a trace by Jaeger's query API: Jaeger itself, or the collector of the local stack."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Final

from whimbrel.cli.edge import CommandError

MESSAGE_TAG: Final = "messaging.message.id"
_SERVICE: Final = "whimbrel-access"
"""Jaeger wants one named; the sender's pod has a span with the message's id in every trace."""
_CALL_SECONDS: Final = 10.0
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_MESSAGE_ID: Final = re.compile(r"[1-9][0-9]{0,18}")

# Proxies of the environment are for the world outside.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def find_trace(url: str, name: str) -> dict[str, Any] | None:
    """The trace with this id, or of the message with this id, as Jaeger's JSON; None when it is
    not there. Raises CommandError."""
    lowered = name.lower()
    if _TRACE_ID.fullmatch(lowered):
        return _first(url, f"/api/traces/{lowered}")
    if not _MESSAGE_ID.fullmatch(name):
        raise CommandError(
            f"{name!r} is neither a message id (digits) nor a trace id (32 hex digits)"
        )
    query = {"service": _SERVICE, "tags": json.dumps({MESSAGE_TAG: name}), "limit": 1}
    return _first(url, f"/api/traces?{urllib.parse.urlencode(query)}")


def _first(url: str, path: str) -> dict[str, Any] | None:
    try:
        with _direct.open(url.rstrip("/") + path, timeout=_CALL_SECONDS) as answer:
            found = json.loads(answer.read())["data"]
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise CommandError(f"{url} answered HTTP status {error.code}") from None
    except OSError as error:
        raise CommandError(f"nobody answers at {url}: {error}") from None
    except (ValueError, KeyError, TypeError):
        raise CommandError(f"what answers at {url} is no Jaeger") from None
    return found[0] if found else None
