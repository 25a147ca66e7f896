"""How the SDK reaches a server: in plain text, or with TLS, and whom it believes then."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import grpc


@dataclass(frozen=True)
class Tls:
    """TLS that differs from what `tls=True` means; for `connect`."""

    ca_file: str | Path | None = None
    """File with the certificates of the authorities to believe, PEM. Default: the system's."""
    server_name: str | None = None
    """The name that the server's certificate must carry. Default: the endpoint's host. For
    endpoints that are addresses, where the certificate has a name alone; it holds for every
    endpoint that the client is given, learns of or is moved to."""


class Transport(NamedTuple):
    """What every channel of one client is opened with."""

    credentials: grpc.ChannelCredentials | None
    server_name: str | None = None


def transport_of(tls: bool | Tls, credentials: grpc.ChannelCredentials | None) -> Transport:
    """As `connect` was told. ValueError when it was told both, or the file cannot be used."""
    if credentials is not None:
        if tls:
            raise ValueError("give either tls or credentials")
        return Transport(credentials)
    if not tls:
        return Transport(None)
    chosen = tls if isinstance(tls, Tls) else Tls()
    return Transport(grpc.ssl_channel_credentials(_roots(chosen.ca_file)), chosen.server_name)


def _roots(ca_file: str | Path | None) -> bytes | None:
    """The certificates to believe; None for those that grpc brings, where the system has none."""
    if ca_file is None:
        system = ssl.get_default_verify_paths().cafile
        return Path(system).read_bytes() if system else None
    try:
        roots = Path(ca_file).read_bytes()
        ssl.create_default_context(cadata=roots.decode("ascii"))
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        reason = getattr(error, "strerror", None) or "it holds no certificate in PEM"
        raise ValueError(f"the CA file {ca_file} cannot be used: {reason}") from None
    return roots
