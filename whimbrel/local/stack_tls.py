"""The TLS of one stack on this machine: what its pods are told, and how its supervisor calls them.

With and without: a stack that speaks none has an authority that signs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import grpc

from whimbrel.local.certificates import OPERATOR, Authority
from whimbrel.runtime.callers import callers_of
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.interception import Admit
from whimbrel.runtime.tls import Dial, dialer, files_of, server_credentials
from whimbrel.runtime.tls_settings import TlsSettings

_SUPERVISOR: Final = "supervisor"


class StackTls:
    """Made before the pods, with new certificates for the supervisor and the operator."""

    def __init__(self, folder: Path, *, is_wanted: bool) -> None:
        """Raises StackError when the authority in `folder` cannot be used."""
        self._authority = Authority(folder) if is_wanted else None
        self._own: TlsSettings | None = None
        self.dial: Dial = open_channel
        """How the supervisor calls pods."""
        if self._authority is not None:
            issued = self._authority.issue(_SUPERVISOR, role=_SUPERVISOR)
            self._own = issued.model_copy(update={"roles_required": True})
            self.dial = dialer(self._own)
            self._authority.issue(OPERATOR, role=OPERATOR)

    @property
    def ca_file(self) -> str:
        """Whom clients have to believe; empty without TLS."""
        return "" if self._authority is None else str(self._authority.ca_file)

    @property
    def scheme(self) -> str:
        """Of the gateway's URL."""
        return "http" if self._authority is None else "https"

    def environment(self, name: str) -> dict[str, str]:
        """A new certificate for this pod ("logic-0", of role logic): the variables with which it
        shows it to pods and to clients. Empty without TLS."""
        if self._authority is None:
            return {}
        issued = self._authority.issue(name, role=name.rpartition("-")[0])
        return {
            "WHIMBREL_TLS__CERTIFICATE": str(issued.certificate),
            "WHIMBREL_TLS__KEY": str(issued.key),
            "WHIMBREL_TLS__CA": str(issued.ca),
            "WHIMBREL_TLS__ROLES_REQUIRED": "true",
            "WHIMBREL_CLIENT_TLS__CERTIFICATE": str(issued.certificate),
            "WHIMBREL_CLIENT_TLS__KEY": str(issued.key),
        }

    def server_credentials(self) -> grpc.ServerCredentials | None:
        """What the supervisor's own port shows; None without TLS."""
        files = None if self._own is None else files_of(self._own)
        return None if files is None else server_credentials(files)

    def admit(self) -> Admit | None:
        """Who may call that port; None without TLS."""
        callers = None if self._own is None else callers_of(self._own, client_facing=False)
        return None if callers is None else callers.admit
