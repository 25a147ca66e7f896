"""TLS of a pod: what its ports show, and how it calls other pods.

Between pods both ends show a certificate of one authority; towards clients only the pod does. All
of it is read again when files change: a new certificate is shown to whoever connects next, and
connections that are open stay. gRPC offers TLS 1.2 and 1.3 and nothing older.
"""

from __future__ import annotations

from collections.abc import Callable

import grpc

from whimbrel.runtime.certificates import Certificate, CertificateFiles
from whimbrel.runtime.channels import channel_options, channel_target, open_channel
from whimbrel.runtime.renewed_channel import RenewedChannel
from whimbrel.runtime.tls_settings import CertificateSettings, TlsSettings

Dial = Callable[[str], grpc.aio.Channel]
"""Opens a channel to "host:port[,host:port]" of pods; the caller closes it. As `open_channel`."""


def files_of(settings: CertificateSettings) -> CertificateFiles | None:
    """The files that the settings name; None without. Raises CertificateError."""
    if settings.certificate is None or settings.key is None:
        return None
    ca = settings.ca if isinstance(settings, TlsSettings) else None
    return CertificateFiles(settings.certificate, settings.key, ca)


def server_credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """Credentials of a port. Where the files name an authority, callers must show a certificate
    of it."""
    first = files.current()
    shown = first.version

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        # Called by gRPC at every handshake, in a thread of its own choice.
        nonlocal shown
        current = files.current()
        if current.version == shown:
            return None
        shown = current.version
        return _configuration(current)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(first),
        fetch,  # type: ignore[arg-type] # None is permitted and says "as before"
        require_client_authentication=first.ca is not None,
    )


def dialer(settings: TlsSettings) -> Dial:
    """How to call pods: plain without a certificate in the settings. Raises CertificateError."""
    files = files_of(settings)
    return open_channel if files is None else dialer_with(files, settings.name)


def dialer_with(files: CertificateFiles, name: str) -> Dial:
    """The same for files that are read already; `name`: what the other pod's certificate must
    carry."""

    def dial(addresses: str) -> grpc.aio.Channel:
        target = channel_target(addresses)
        options = [*channel_options(), ("grpc.ssl_target_name_override", name)]

        def open_now() -> grpc.aio.Channel:
            current = files.current()
            credentials = grpc.ssl_channel_credentials(current.ca, current.key, current.chain)
            return grpc.aio.secure_channel(target, credentials, options=options)

        return RenewedChannel(open_now, lambda: files.current().version)

    return dial


def _configuration(certificate: Certificate) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(certificate.key, certificate.chain)], root_certificates=certificate.ca
    )
