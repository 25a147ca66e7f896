"""The TLS of an HTTP port, with a certificate that is renewed while it is open."""

from __future__ import annotations

import ssl

from whimbrel.runtime.certificates import CertificateFiles


class HttpTls:
    """`context` is what the server listens with; TLS 1.2 and 1.3."""

    def __init__(self, files: CertificateFiles) -> None:
        """Raises CertificateError for what cannot be used."""
        self._files = files
        self._version = files.current().version
        self._newest = self._made()
        self.context = self._newest
        self.context.sni_callback = self._at_hello

    # Called by OpenSSL for every client, also for those that name no server.
    def _at_hello(
        self, connection: ssl.SSLSocket | ssl.SSLObject, _: str | None, __: ssl.SSLContext
    ) -> None:
        version = self._files.current().version
        if version != self._version:
            self._newest, self._version = self._made(), version
        connection.context = self._newest

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        self._files.load_into(context)
        return context
