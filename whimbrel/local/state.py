"""What a stack leaves on disk for other commands, and the folder that it owns while it runs.

mongo/ redis/      the servers' own
logs/              one log per part, supervisor.log for a detached stack
secrets/           the keys of tokens, private and public, and the secret of pods; made once
tls/               certificates of a stack that speaks TLS, and its authority
ports.json         the ports of the last run, taken again when they are free
stack.lock         held (flock) by the supervisor: the kernel lets go of it, whatever happens
stack.json         who runs where; believed only while its supervisor lives
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whimbrel.local.children import Identity
from whimbrel.local.errors import StackError, make_folder

if TYPE_CHECKING:
    from whimbrel.runtime.token_keys import Key

MIN_FREE_BYTES = 1024**3


def default_data() -> Path:
    """Where a stack keeps its data when nobody says: WHIMBREL_DATA, else the XDG state folder."""
    chosen = os.environ.get("WHIMBREL_DATA")
    if chosen:
        return Path(chosen).expanduser().absolute()
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state").absolute() / "whimbrel"


def boot_id() -> str:
    """Names the time between two boots of this machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass
class PartRecord:
    """One part as `whimbrel status` shows it. `address` is host:port."""

    role: str
    address: str
    log: str
    state: str
    pid: int = 0
    started: int = 0

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.started)


@dataclass
class StackRecord:
    """The content of stack.json."""

    supervisor: Identity
    boot_id: str
    state: str
    started_at: str
    endpoints: list[str] = field(default_factory=list)
    router_addresses: str = ""
    mongo_url: str = ""
    redis_url: str = ""
    gateway: str = ""
    """http(s):// URL of the first gateway; empty when the stack has none."""
    parts: dict[str, PartRecord] = field(default_factory=dict)
    ca_file: str = ""
    """Whom clients have to believe; empty when the stack speaks no TLS."""
    traces: str = ""
    """http:// URL of the collector's query API; empty when the stack has none."""

    @property
    def is_running(self) -> bool:
        """Whether the supervisor that wrote this lives; else nothing of it is to be believed."""
        return self.boot_id == boot_id() and self.supervisor.is_alive

    def processes(self) -> list[Identity]:
        """Every process of the stack that was recorded, without the supervisor."""
        if self.boot_id != boot_id():
            return []  # start times count from the boot: these pids are somebody else's now
        return [part.identity for part in self.parts.values() if part.pid]

    @classmethod
    def from_json(cls, text: str) -> StackRecord:
        """Raises ValueError, KeyError or TypeError for what is no stack.json of this version."""
        raw: dict[str, Any] = json.loads(text)
        return cls(
            **{
                **raw,
                "supervisor": Identity(**raw["supervisor"]),
                "parts": {name: PartRecord(**part) for name, part in raw["parts"].items()},
            }
        )


@dataclass(frozen=True)
class DataFolder:
    """The paths below one data directory."""

    path: Path

    @property
    def mongo(self) -> Path:
        return self.path / "mongo"

    @property
    def redis(self) -> Path:
        return self.path / "redis"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def token_key(self) -> Path:
        """The secret of what pods write for each other."""
        return self.path / "secrets" / "token.key"

    @property
    def signing_file(self) -> Path:
        return self.path / "secrets" / "signing.json"

    @property
    def keys_file(self) -> Path:
        return self.path / "secrets" / "keys.json"

    @property
    def tls(self) -> Path:
        return self.path / "tls"

    def clock(self, name: str) -> Path:
        """The file that steps the wall clock of this pod."""
        return self.path / "clocks" / name

    def record(self) -> StackRecord | None:
        """The last stack here, running or not; None when there is none that can be read."""
        try:
            return StackRecord.from_json((self.path / "stack.json").read_text())
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def running(self) -> StackRecord:
        """The stack that runs here; raises StackError when none does."""
        record = self.record()
        if record is None or not record.is_running:
            raise StackError(
                f"no stack is running in {self.path}: start one with `whimbrel up`, "
                "or name its data directory with --data"
            )
        return record

    def write_record(self, record: StackRecord) -> None:
        """Replace stack.json in one step, so that nobody reads half of it."""
        self._replace("stack.json", json.dumps(asdict(record), indent=2))

    def forget_record(self) -> None:
        """Nothing runs here any more."""
        (self.path / "stack.json").unlink(missing_ok=True)

    def last_ports(self) -> dict[str, int]:
        """The port that each part had in the last run."""
        try:
            raw = json.loads((self.path / "ports.json").read_text())
            return {str(name): int(port) for name, port in raw.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def write_ports(self, ports: dict[str, int]) -> None:
        self._replace("ports.json", json.dumps(ports, indent=2))

    def signing_key(self) -> Key:
        """What tokens are signed with now; the stack's pods verify them."""
        # Here, because most commands look at a stack and sign nothing: 0.2 s to import.
        from whimbrel.runtime.token_keys import KeyFileError, signing_key  # noqa: PLC0415

        try:
            return signing_key(self.signing_file)
        except KeyFileError as error:
            raise StackError(f"no token can be signed: {error}; `whimbrel up` makes one") from None

    def ensure_secret(self) -> None:
        """Make the keys unless they are there. They stay: tokens hold over restarts."""
        make_folder(self.token_key.parent).chmod(0o700)
        if not self.token_key.exists():
            descriptor = os.open(self.token_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(secrets.token_hex(32) + "\n")
        if not self.signing_file.exists():
            from whimbrel.runtime.key_ring import KeyRing  # noqa: PLC0415 - as above

            KeyRing(self.signing_file, self.keys_file).add()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Own the folder, created if need be; raises StackError when that cannot be."""
        make_folder(self.path)
        try:
            stream = (self.path / "stack.lock").open("a+")
        except OSError as error:
            raise StackError(
                f"the data directory {self.path} cannot be written ({error.strerror}): "
                "name another one with --data, or change its permissions"
            ) from None
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                stream.seek(0)
                holder = stream.read().strip() or "unknown"
                raise StackError(
                    f"a stack is already running in {self.path} (pid {holder}): stop it with "
                    f"`whimbrel down --data {self.path}`, or start another one with --data"
                ) from None
            stream.truncate(0)
            stream.write(str(os.getpid()))
            stream.flush()
            self._check_space()
            for folder in (self.mongo, self.redis, self.logs):
                make_folder(folder)
            self.ensure_secret()
            yield

    def _check_space(self) -> None:
        free = shutil.disk_usage(self.path).free
        if free < MIN_FREE_BYTES:
            raise StackError(
                f"the disk of {self.path} has only {free / 2**20:.0f} MiB free and mongod needs "
                "1 GiB: free some space, or name a directory on another disk with --data"
            )

    def _replace(self, name: str, text: str) -> None:
        new = self.path / f".{name}.new"
        new.write_text(text)
        new.replace(self.path / name)
