"""The settings of TLS: which files hold the certificates. What is done with them is in `tls`."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import model_validator

from whimbrel.runtime.settings_group import Address, SettingsGroup


class CertificateSettings(SettingsGroup):
    """A certificate and its key, both PEM. The files are read again when they have changed."""

    certificate: Path | None = None
    """File with the certificate, and behind it those between it and its authority. Default none:
    no TLS."""
    key: Path | None = None
    """File with its private key, without a password. Default none; given with the certificate."""

    @model_validator(mode="after")
    def _is_a_pair(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key must be set together")
        return self

    @property
    def is_set(self) -> bool:
        """Whether there is a certificate at all."""
        return self.certificate is not None


class TlsSettings(CertificateSettings):
    """How pods know each other: each shows a certificate of one authority, in both directions."""

    ca: Path | None = None
    """File with the certificate of the authority that signs those of pods, PEM; several while
    one replaces another. Default none; given with the certificate. Whoever holds a certificate
    of it is a pod of the role that it names, so it must sign nothing else."""
    name: str = "whimbrel-pod"
    """A DNS name that the certificate of every pod carries, and that is asked for when one is
    called. Default whimbrel-pod: pods are called by addresses, which no certificate can know
    beforehand. With the role before it ("access.whimbrel-pod") a certificate names its role."""
    roles_required: bool = False
    """Whether a caller's certificate must name its role. Default no: those of before name none,
    and may call everything as before. One that names a role is held to it in any case."""
    health_listen: Address | None = None
    """host:port to bind for the health service alone, without TLS. Default none. For probes
    that cannot show a certificate, as those of Kubernetes."""

    @model_validator(mode="after")
    def _has_an_authority(self) -> Self:
        if (self.certificate is None) != (self.ca is None):
            raise ValueError("certificate, key and ca must be set together")
        return self
