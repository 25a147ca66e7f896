"""Who owns a data directory, and what it says when it cannot be used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from whimbrel.local.children import Identity
from whimbrel.local.errors import StackError
from whimbrel.local.state import DataFolder, PartRecord, StackRecord, boot_id, default_data


def record_of(supervisor: Identity) -> StackRecord:
    part = PartRecord("access", "127.0.0.1:1", "log", "healthy", 1, 2)
    return StackRecord(
        supervisor, boot_id(), "healthy", "2026-01-01T00:00:00+00:00", parts={"access-0": part}
    )


def test_a_second_owner_is_refused_with_the_pid_and_the_way_out(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with (
        folder.locked(),
        pytest.raises(StackError, match=rf"already running .*pid {os.getpid()}.*whimbrel down"),
        folder.locked(),
    ):
        pass
    with folder.locked():
        pass


def test_a_lock_of_a_dead_process_is_no_obstacle(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path;"
        "from whimbrel.local.state import DataFolder;"
        "held = DataFolder(Path(sys.argv[1])).locked(); held.__enter__();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert ended.returncode < 0
    assert (tmp_path / "stack.lock").read_text() != ""
    with DataFolder(tmp_path).locked():
        assert (tmp_path / "stack.lock").read_text() == str(os.getpid())


def test_a_full_disk_is_named_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=300 * 2**20)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with (
        pytest.raises(StackError, match=r"only 300 MiB free .*1 GiB.*--data"),
        DataFolder(tmp_path).locked(),
    ):
        pass


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StackError, match=r"file/data cannot be created .*--data"),
        DataFolder(tmp_path / "file" / "data").locked(),
    ):
        pass


def test_the_keys_of_tokens_are_private_and_stay(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with pytest.raises(StackError, match="`whimbrel up` makes one"):
        folder.signing_key()
    with folder.locked():
        first, secret = folder.signing_key(), folder.token_key.read_text()
    with folder.locked():
        assert folder.signing_key().key_id == first.key_id
        assert folder.token_key.read_text() == secret
    assert len(bytes.fromhex(secret)) == 32
    for file in (folder.token_key, folder.signing_file):
        assert file.stat().st_mode & 0o777 == 0o600
    assert folder.token_key.parent.stat().st_mode & 0o777 == 0o700


def test_a_record_is_believed_only_while_its_supervisor_lives(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    alive = record_of(Identity.of(os.getpid()))
    folder.write_record(alive)
    assert folder.running() == alive
    dead = record_of(Identity(os.getpid(), 1))  # the same pid in another life
    folder.write_record(dead)
    with pytest.raises(StackError, match="no stack is running"):
        folder.running()
    before_reboot = record_of(Identity.of(os.getpid()))
    before_reboot.boot_id = "another"
    assert not before_reboot.is_running
    assert before_reboot.processes() == []


@pytest.mark.parametrize("content", ["", "[]", '{"supervisor": 1}', "{"])
def test_a_broken_record_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "stack.json").write_text(content)
    assert DataFolder(tmp_path).record() is None


def test_the_default_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("WHIMBREL_DATA", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert default_data() == Path("/home/someone/.local/state/whimbrel")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_data() == Path("/state/whimbrel")
    monkeypatch.setenv("WHIMBREL_DATA", "~/chosen")
    assert default_data() == Path("/home/someone/chosen")
