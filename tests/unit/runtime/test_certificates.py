"""Certificates in files: taken when they fit together, and not looked at all the time."""

from __future__ import annotations

from pathlib import Path

import pytest

from whimbrel.local.certificates import Authority
from whimbrel.runtime.certificates import LOOK_SECONDS, CertificateFiles
from whimbrel.runtime.tls_settings import TlsSettings


class Files:
    """The files of one pod, and the clock that they are looked at by."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.settings = self.authority.issue("pod")
        self.now = 0.0
        assert self.settings.certificate
        assert self.settings.key
        self.certificate, self.key = self.settings.certificate, self.settings.key
        self.opened = CertificateFiles(
            self.certificate, self.key, self.settings.ca, clock=lambda: self.now
        )

    def later(self) -> int:
        """The version that is current after the next look."""
        self.now += LOOK_SECONDS
        return self.opened.current().version


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "tls")


def test_a_renewed_pair_is_taken_at_the_next_look_and_not_before(files: Files) -> None:
    first = files.opened.current()
    files.authority.issue("pod")
    assert files.opened.current() is first
    assert files.later() == 2
    assert files.opened.current().chain == files.certificate.read_bytes() != first.chain


def test_half_of_a_renewal_waits_for_the_other_half(files: Files) -> None:
    first = files.opened.current()
    other = files.authority.issue("other")
    assert other.certificate
    assert other.key
    other.key.replace(files.key)
    assert files.later() == 1
    assert files.opened.current() is first, "the last good pair goes on"
    other.certificate.replace(files.certificate)
    assert files.later() == 2


def test_files_that_are_gone_for_a_while_change_nothing(files: Files) -> None:
    content = files.certificate.read_bytes()
    files.certificate.unlink()
    assert files.later() == 1
    files.certificate.write_bytes(content)
    assert files.later() == 2, "it is another file, with the same content"


def test_files_that_do_not_change_are_not_read_again(files: Files) -> None:
    first = files.opened.current()
    assert [files.later() for _ in range(5)] == [1] * 5
    assert files.opened.current() is first


def test_keys_are_for_their_owner_alone(files: Files) -> None:
    folder = files.key.parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.key")} == {0o600}


def test_an_authority_is_the_same_after_a_restart(files: Files, tmp_path: Path) -> None:
    before = files.authority.ca_file.read_bytes()
    again = Authority(tmp_path / "tls")
    assert again.ca_file.read_bytes() == before
    assert isinstance(again.issue("pod"), TlsSettings)
    assert files.later() == 2
