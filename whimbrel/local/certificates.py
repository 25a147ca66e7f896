"""The certificate authority of a stack on this machine, and what it signs.

tls/ca.pem, tls/ca.key      made once: who believes the file believes the stack after a restart
tls/<name>.pem, <name>.key  one for each pod, the supervisor, and the operator's commands

Every certificate carries the name of pods, its role's, and those of this machine, so it serves
between pods and towards clients alike.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from whimbrel.local.errors import StackError, make_folder
from whimbrel.local.state import DataFolder
from whimbrel.runtime.callers import role_name
from whimbrel.runtime.certificates import CertificateError
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.tls import Dial, dialer
from whimbrel.runtime.tls_settings import TlsSettings

OPERATOR: Final = "operator"
_POD_NAME: Final = TlsSettings().name
_NAMES: Final = (_POD_NAME, "localhost", "127.0.0.1", "::1")


class Authority:
    """Signs for one folder. Raises StackError when what lies there cannot be used."""

    def __init__(self, folder: Path) -> None:
        # Imported when asked for: only stacks with TLS need it.
        import trustme  # noqa: PLC0415

        self._folder = make_folder(folder)
        folder.chmod(0o700)
        self.ca_file = folder / "ca.pem"
        """What a client has to believe."""
        key = folder / "ca.key"
        if self.ca_file.exists():
            try:
                self._ca = trustme.CA.from_pem(self.ca_file.read_bytes(), key.read_bytes())
            except (OSError, ValueError) as error:
                raise StackError(
                    f"the certificate authority in {folder} cannot be used ({error}): remove "
                    "that folder, and `whimbrel up --tls` makes another"
                ) from None
        else:
            self._ca = trustme.CA(organization_name="Whimbrel on this machine")
            _replace(key, self._ca.private_key_pem.bytes())
            _replace(self.ca_file, self._ca.cert_pem.bytes())

    def issue(self, name: str, *identities: str, role: str = "") -> TlsSettings:
        """A new certificate under this file name, in place of the one that is there; the settings
        of a pod that shows it. `identities`: other names and addresses than every pod has;
        `role`: what it names as its role, if anything."""
        named = (role_name(role, _POD_NAME),) if role else ()
        leaf = self._ca.issue_cert(*(identities or _NAMES), *named, common_name=name)
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        _replace(key, leaf.private_key_pem.bytes())
        _replace(certificate, b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        return TlsSettings(certificate=certificate, key=key, ca=self.ca_file)


def operator_dial(folder: DataFolder) -> Dial:
    """How the commands of this machine's owner call the pods of the stack that runs there. Raises
    StackError when none runs, or its certificates cannot be read."""
    if not folder.running().ca_file:
        return open_channel
    names = (f"{OPERATOR}.pem", f"{OPERATOR}.key", "ca.pem")
    certificate, key, ca = (folder.tls / name for name in names)
    try:
        return dialer(TlsSettings(certificate=certificate, key=key, ca=ca))
    except CertificateError as error:
        raise StackError(f"the stack speaks TLS, and {error}") from None


def _replace(path: Path, content: bytes) -> None:
    """In one step, so that nobody reads half of it; for the owner alone."""
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    new.replace(path)
