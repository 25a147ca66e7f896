"""A certificate for 127.0.0.1 that its own file vouches for, and keys as providers give them."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Certificate(NamedTuple):
    """Files in PEM."""

    certificate: Path
    key: Path

    def server_context(self, alpn: list[str]) -> ssl.SSLContext:
        """For a server that offers these protocols."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        context.set_alpn_protocols(alpn)
        return context


def make_certificate(folder: Path) -> Certificate:
    """A new one, good for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / "certificate.pem", folder / "certificate-key.pem")
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    write_key(key, made.key)
    return made


def write_key(key: ec.EllipticCurvePrivateKey, path: Path) -> Path:
    """As Apple gives a signing key: PEM, PKCS #8."""
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def make_key(path: Path) -> ec.EllipticCurvePublicKey:
    """A new signing key in this file; its public half."""
    key = ec.generate_private_key(ec.SECP256R1())
    write_key(key, path)
    return key.public_key()
