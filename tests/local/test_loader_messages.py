"""What the dynamic loader says becomes a sentence with what to install."""

from __future__ import annotations

from pathlib import Path

import pytest

from whimbrel.local.binaries import (
    check_starts,
    explain_loader,
    find_mongod,
    find_redis_server,
)
from whimbrel.local.errors import StackError

MONGOD = Path("/somewhere/mongod")


@pytest.mark.parametrize(
    ("library", "package"),
    [("libcurl.so.4", "libcurl4"), ("libcrypto.so.3", "libssl3"), ("libssl.so.3", "libssl3")],
)
def test_a_missing_library_names_its_apt_package(library: str, package: str) -> None:
    said = (
        f"{MONGOD}: error while loading shared libraries: {library}: cannot open shared object "
        "file: No such file or directory"
    )
    assert explain_loader(MONGOD, said) == (
        f"mongod needs the library {library}, which is not installed: apt-get install -y {package}"
    )


def test_a_library_that_nobody_knows_is_named_all_the_same() -> None:
    said = "error while loading shared libraries: libodd.so.7: cannot open shared object file"
    assert "the package that has libodd.so.7" in (explain_loader(MONGOD, said) or "")


def test_a_system_that_is_too_old_is_said_to_be_so() -> None:
    said = f"{MONGOD}: /lib/libc.so.6: version `GLIBC_2.34' not found (required by {MONGOD})"
    sentence = explain_loader(MONGOD, said) or ""
    assert "GLIBC_2.34" in sentence
    assert "--mongo-url" in sentence


def test_other_output_is_left_alone() -> None:
    assert explain_loader(MONGOD, '{"s":"I","msg":"Shutting down"}') is None


async def test_a_binary_that_misses_a_library_is_refused_with_the_sentence(tmp_path: Path) -> None:
    binary = tmp_path / "mongod"
    binary.write_text(
        "#!/bin/sh\necho 'mongod: error while loading shared libraries: libcurl.so.4: cannot "
        "open shared object file: No such file or directory' >&2\nexit 127\n"
    )
    binary.chmod(0o755)
    with pytest.raises(StackError, match="apt-get install -y libcurl4"):
        await check_starts(binary)


async def test_the_embedded_binaries_start() -> None:
    assert "db version" in await check_starts(find_mongod())
    assert "Redis server" in await check_starts(find_redis_server())


def test_a_missing_binary_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whimbrel.local.binaries._MONGOD_WHEELS", ())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StackError, match=r"whimbrel\[local\].*PATH.*--mongo-url"):
        find_mongod()
