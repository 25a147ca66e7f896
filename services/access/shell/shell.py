"""The shell of one pod: whom it lets in, and what it has refused so far. No I/O.

Nobody who is attached is ever sent away: what is too much is kept out, ended before it said who
it is, or read more slowly.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from services.access.refusals import StreamRefusedError
from services.access.shell.bans import Bans
from services.access.shell.frame_pace import FramePace
from services.access.shell.message_rates import MessageRates
from services.access.shell.stream_counts import StreamCounts
from services.access.shell_settings import ShellSettings
from whimbrel.core.client_address import NOBODY, Address, ClientAddresses, key_of, peer_of
from whimbrel.core.errors import CloseCode
from whimbrel.runtime.connections import Peer

if TYPE_CHECKING:
    from services.access.client_stream import ClientStream

_RETRY_AFTER_MS: Final = 5_000
_MOST_PEERS: Final = 50_000

Metadata = Iterable[tuple[str, Any]]


class Shell:
    """One per pod."""

    def __init__(self, settings: ShellSettings, *, clock: Callable[[], float]) -> None:
        """`clock` is monotonic seconds."""
        self._settings = settings
        self._clock = clock
        self.on_ban: Callable[[], None] = _nobody
        """Called when this pod has banned somebody."""
        self._addresses = ClientAddresses(settings.trusted)
        self._peers: OrderedDict[tuple[str, int], None] = OrderedDict()
        self.bans = Bans(settings.connects_per_second, settings.ban_seconds)
        self.counts: StreamCounts[ClientStream] = StreamCounts(settings)
        self.messages = MessageRates(settings)
        self.connects = 0
        """Connects that this pod has heard of, by a stream or otherwise."""
        self.throttled = 0
        """Times that a stream was not read for a moment because it came too fast."""
        self.refused: Counter[str] = Counter()
        """Streams that were refused or ended, by reason."""
        self.is_short_of_memory = False
        """Said by whoever measures it."""

    def pace(self) -> FramePace | None:
        """For a new stream; None when streams are read as fast as they come."""
        own = self._settings
        return FramePace(own) if own.frames_per_second or own.bytes_per_second else None

    # --- coming and going --------------------------------------------------------------

    def enter(self, stream: ClientStream, peer: str, metadata: Metadata) -> None:
        """A stream begins. Raises StreamRefusedError; then it need not `leave`."""
        now = self._clock()
        host, port = peer_of(peer)
        key = self._addresses.key_behind(host, self._forwarded(metadata))
        if port and key != NOBODY:
            stream.peer = (host.strip("[]"), port)
            self._remember(stream.peer)
        remaining = self.bans.remaining(key, now)
        self._count(key, now)
        if remaining:
            raise self._refusal("banned", "connects from this address come too often", remaining)
        if not self.counts.has_room_for(key):
            raise self._refusal("address", "as many streams as one address may have")
        oldest = self.counts.enter(stream, key)
        if oldest is not None:
            self._end_unnamed(oldest, "unnamed", "too many streams wait for their Hello")

    def name(self, stream: ClientStream) -> None:
        """Its token was good. Raises StreamRefusedError."""
        if not self.counts.name(stream, stream.user_id):
            raise self._refusal("user", "as many streams as one user may have")

    def leave(self, stream: ClientStream) -> None:
        """It has ended. Harmless twice."""
        self.counts.leave(stream)

    def connection_ended(self, address: Address, port: int) -> None:
        """A TCP connection is gone: a connect that never became a stream counts now."""
        if (str(address), port) in self._peers:
            del self._peers[str(address), port]
        elif self._addresses.trusts(address):
            self.connects += 1
        else:
            self._count(key_of(address), self._clock())

    def connections_stay(self, peers: Iterable[Peer]) -> None:
        """These TCP connections are there: those that never had a stream count now."""
        for address, port in peers:
            if (str(address), port) not in self._peers and not self._addresses.trusts(address):
                self._remember((str(address), port))
                self._count(key_of(address), self._clock())

    def peers_of_the_banned(self) -> tuple[set[str], set[tuple[str, int]]]:
        """The addresses that are banned, and which connections of them are somebody's who has said
        who it is: those stay."""
        banned = set(self.bans.active(self._clock()))
        return banned, {stream.peer for stream in self.counts.named_of(banned)}

    def read_bytes(self) -> dict[Peer, int]:
        """What has been read of all named streams, by their connection."""
        read: Counter[Peer] = Counter()
        for stream in self.counts.named():
            host, port = stream.peer
            if port:
                read[ip_address(host), port] += stream.read_bytes
        return read

    def flooded(self, peers: Iterable[Peer]) -> list[Peer]:
        """These connections send much and say nothing: their addresses are banned. Which of them
        have to be cut: all but those of the trusted."""
        now = self._clock()
        guilty = [peer for peer in peers if not self._addresses.trusts(peer[0])]
        for address, _ in guilty:
            self.refused["flood"] += 1
            self.bans.ban(key_of(address), now)
        return guilty

    def is_full(self) -> bool:
        """Whether newcomers are told Busy."""
        limit = self._settings.streams
        if limit and len(self.counts) > limit:
            self.refused["full"] += 1
        elif self.is_short_of_memory:
            self.refused["memory"] += 1
        else:
            return False
        return True

    # --- inside ------------------------------------------------------------------------

    def _forwarded(self, metadata: Metadata) -> str:
        header = self._settings.real_address_header
        if not header:
            return ""
        return ",".join(str(value) for name, value in metadata if name == header)

    def _remember(self, peer: tuple[str, int]) -> None:
        self._peers[peer] = None
        while len(self._peers) > _MOST_PEERS:
            self._peers.popitem(last=False)

    def _count(self, key: str, now: float) -> None:
        self.connects += 1
        if not self.bans.connected(key, now):
            return
        for stream in self.counts.unnamed_of(key):
            self._end_unnamed(stream, "banned", "connects from this address come too often")
        self.on_ban()

    def _end_unnamed(self, stream: ClientStream, reason: str, detail: str) -> None:
        self.counts.forget_unnamed(stream)
        refusal = self._refusal(reason, detail)
        stream.close(refusal.code, refusal.detail, refusal.retry_after_ms)

    def _refusal(self, reason: str, detail: str, seconds: float = 0.0) -> StreamRefusedError:
        self.refused[reason] += 1
        retry_after_ms = max(1, round(seconds * 1000)) if seconds else _RETRY_AFTER_MS
        return StreamRefusedError(CloseCode.RATE_LIMITED, detail, retry_after_ms)


def _nobody() -> None:
    """Nobody wants to hear of bans."""
