"""Keeps the shell informed and makes its bans felt: by the kernel here, by the other pods through
the ban list, and looks at the memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from services.access.ports import BanList
from services.access.shell.bare_connections import BareConnections
from services.access.shell.flood_watch import FloodWatch
from services.access.shell.memory import MemoryWatermark
from services.access.shell.shell import Shell
from whimbrel.core.client_address import Address, key_of
from whimbrel.core.errors import WhimbrelError
from whimbrel.runtime.connections import cut_connections
from whimbrel.runtime.listener import Listener
from whimbrel.runtime.logs import get_logger

_log = get_logger(__name__)

_EVERY_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 5.0
"""Where the kernel does not help it is asked again: who helped may be another process, which has
ended."""
_DEFER_SECONDS: Final = 5


class ShellWatch:
    """One per pod. `run` is its task."""

    def __init__(
        self,
        shell: Shell,
        listener: Listener,
        ban_list: BanList | None,
        memory: MemoryWatermark,
        floods: FloodWatch,
        bare: BareConnections,
        *,
        clock: Callable[[], float],
    ) -> None:
        """`ban_list` None: bans are this pod's own. `clock` is monotonic seconds."""
        self._shell = shell
        self._listener = listener
        self._ban_list = ban_list
        self._memory = memory
        self._floods = floods
        self._bare = bare
        self._clock = clock
        self._kept_out: list[str] = []
        self._to_cut = 0
        self._tend_at = 0.0
        self.cut = 0
        """Connections of banned addresses that were cut."""
        self._news = asyncio.Event()
        self._hears = True
        listener.defer_accept(_DEFER_SECONDS)

    def banned(self) -> None:
        """The shell has banned somebody: from here on the kernel drops their connects."""
        self._keep_out()
        self._news.set()

    async def close(self) -> None:
        """The last step of a drain: whoever connects from here on is refused, as the port is."""
        self._listener.close()

    async def run(self) -> None:
        """Twice a second, and at once when there is news, until cancelled."""
        while True:
            self._shell.is_short_of_memory = self._memory.is_exceeded()
            if self._ban_list is not None:
                await self._exchange(self._ban_list)
            await self._end_floods()
            self._shell.connections_stay(await self._bare.find(self._clock()))
            self._keep_out()
            self._tend()
            if self._to_cut or (self._kept_out and not self._listener.is_guarded):
                self._to_cut = max(0, self._to_cut - 1)
                await self._cut()
            self._news.clear()
            try:
                async with asyncio.timeout(_EVERY_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _exchange(self, ban_list: BanList) -> None:
        """Tell the others and hear from them. A list that was lost is written again this way."""
        bans = self._shell.bans
        try:
            now = self._clock()
            shared = await ban_list.read()
            bans.learn(shared, now)
            mine = bans.active(self._clock())
            await ban_list.extend(
                {one: left for one, left in mine.items() if left > shared.get(one, 0.0) + 1.0}
            )
        except WhimbrelError as error:
            if self._hears:
                _log.warning("ban_list_not_reached", reason=error.detail)
            self._hears = False
        else:
            self._hears = True

    def _keep_out(self) -> None:
        active = list(self._shell.bans.active(self._clock()))
        if active != self._kept_out:
            # Twice: some of them may be on their way from the kernel to gRPC.
            self._to_cut = 2 if set(active) - set(self._kept_out) else self._to_cut
            self._kept_out = active
            self._listener.keep_out(active)
            _log.info("bans_changed", active=len(active), by_kernel=self._listener.is_guarded)

    def _tend(self) -> None:
        now = self._clock()
        if now >= self._tend_at:
            self._listener.tend()
            self._tend_at = now + (_EVERY_SECONDS if self._listener.is_guarded else _RETRY_SECONDS)

    async def _end_floods(self) -> None:
        guilty = self._shell.flooded(await self._floods.find(self._clock()))
        if guilty:
            peers = frozenset(guilty)
            port = self._listener.port
            self.cut += await asyncio.to_thread(
                cut_connections, port, lambda address, peer_port: (address, peer_port) in peers
            )

    async def _cut(self) -> None:
        """End what the banned have open, except for the connections of those who have a name."""
        banned, named = self._shell.peers_of_the_banned()

        def is_unwanted(address: Address, port: int) -> bool:
            return key_of(address) in banned and (str(address), port) not in named

        self.cut += await asyncio.to_thread(cut_connections, self._listener.port, is_unwanted)
