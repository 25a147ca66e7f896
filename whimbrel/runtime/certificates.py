"""Certificates in files that somebody else renews while we run.

Files are looked at when somebody asks, once a second at most, and read when they have changed.
What does not fit together (a certificate without its key yet) changes nothing: the last good pair
goes on. Keys are never logged.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whimbrel.runtime.logs import get_logger

if TYPE_CHECKING:
    from cryptography import x509

_log = get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""Between two looks at the files: three stat calls, next to nothing."""

Stamp = tuple[tuple[int, int, int], ...]


class CertificateError(Exception):
    """What the files hold cannot be used; the text names the file and what to do."""


@dataclass(frozen=True)
class Certificate:
    """What the files hold, PEM. `version` rises with every change that was taken."""

    chain: bytes
    key: bytes
    ca: bytes | None
    version: int


class CertificateFiles:
    """One certificate, its key, and the authority if there is one. Safe to ask from any thread."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        ca: Path | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reads them; raises CertificateError when they cannot be used."""
        self._paths = [certificate, key] if ca is None else [certificate, key, ca]
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._looked_at = clock()
        self._current = self._read(version=1)

    def current(self) -> Certificate:
        """The newest that could be used."""
        with self._lock:
            now = self._clock()
            if now - self._looked_at >= LOOK_SECONDS:
                self._looked_at = now
                self._renew()
            return self._current

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have Python's TLS show it. Raises CertificateError."""
        try:
            context.load_cert_chain(self._paths[0], self._paths[1])
        except (OSError, ssl.SSLError) as error:
            raise CertificateError(f"{self._paths[0]} cannot be used: {error.strerror}") from None

    def _renew(self) -> None:
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return
            # Before it is read: what changes meanwhile is seen at the next look.
            self._stamp = stamp
            self._current = self._read(self._current.version + 1)
        except CertificateError as error:
            # Half of a renewal: the rest changes the stamp again.
            _log.warning("certificate_not_taken", reason=str(error))
        else:
            _log.info("certificate_renewed", file=str(self._paths[0]))

    def _look(self) -> Stamp:
        try:
            found = [path.stat() for path in self._paths]
        except OSError as error:
            raise CertificateError(f"{error.filename} cannot be read: {error.strerror}") from None
        return tuple((one.st_mtime_ns, one.st_ino, one.st_size) for one in found)

    def _read(self, version: int) -> Certificate:
        try:
            chain, key, *rest = [path.read_bytes() for path in self._paths]
        except OSError as error:
            raise CertificateError(f"{error.filename} cannot be read: {error.strerror}") from None
        _check_pair(chain, key, self._paths[0], self._paths[1])
        ca = rest[0] if rest else None
        if ca is not None:
            _certificate_in(ca, self._paths[2])
        return Certificate(chain, key, ca, version)


def _certificate_in(pem: bytes, path: Path) -> x509.Certificate:
    # Here, because a pod without TLS can start without it.
    from cryptography import x509  # noqa: PLC0415

    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise CertificateError(f"{path} holds no certificate in PEM") from None


def _check_pair(chain: bytes, key: bytes, chain_path: Path, key_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )

    certificate = _certificate_in(chain, chain_path)
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError):  # TypeError: it has a password
        raise CertificateError(f"{key_path} holds no private key in PEM without password") from None
    if private.public_key() != certificate.public_key():
        raise CertificateError(f"{key_path} is not the key of the certificate in {chain_path}")
