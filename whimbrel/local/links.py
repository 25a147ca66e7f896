"""The links of a stack that run through proxies: who dials whom, each with a proxy of its own.

A link is named "FROM>TO": "clients>access-0", "pods>logic-0" (all who found it in the registry),
"access-0>router-0", "logic-0>redis". Where the dialling pod is told the address by its settings,
the link is that pod's alone, so that one pod can be cut from what the others still reach.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from whimbrel.core.rendezvous import choose
from whimbrel.local.proxy import PASS, Mode, TcpProxy

CLIENTS = "clients"
PODS = "pods"


class Links:
    """The proxies of one stack, by name of the link; none when it was not to be proxied."""

    def __init__(self, *, proxied: bool, sources: Collection[str] = ()) -> None:
        """`sources`: only links from these run through proxies; empty means all."""
        self.proxied = proxied
        self._sources = frozenset(sources)
        self._default = PASS
        self._proxies: dict[str, TcpProxy] = {}
        self._opened: set[str] = set()

    @property
    def proxies(self) -> Mapping[str, TcpProxy]:
        """All of them by name. A live view."""
        return MappingProxyType(self._proxies)

    def through(self, source: str, name: str, address: str) -> str:
        """The address that `source` has to dial for reaching the part `name` at `address`."""
        if not self.proxied or (self._sources and source not in self._sources):
            return address
        proxy = self._proxies[f"{source}>{name}"] = TcpProxy(address)
        proxy.set_mode(self._default)
        return proxy.address

    async def open(self) -> None:
        """Begin to accept on all that do not yet."""
        for name, proxy in list(self._proxies.items()):
            if name not in self._opened:
                self._opened.add(name)
                await proxy.open()

    async def remove(self, name: str) -> None:
        """The part `name` is gone for good: it dials nobody, and no pod dials it any more. The
        links of clients stay, they lead to others from now on."""
        for link in list(self._proxies):
            source, _, target = link.partition(">")
            if name == source or (name == target and source != CLIENTS):
                self._opened.discard(link)
                await self._proxies.pop(link).close()

    async def close(self) -> None:
        """Reset every connection and give the ports back."""
        for proxy in self._proxies.values():
            await proxy.close()

    def lead_clients(self, present: Mapping[str, str]) -> None:
        """Where clients once found a pod that is gone they find another one: what the name of a
        Service does for them in a cluster. `present`: the pods that are there, with addresses."""
        for link, proxy in self._proxies.items():
            source, _, name = link.partition(">")
            if source == CLIENTS and name not in present and present:
                proxy.lead_to(present[str(choose(name, present))])

    def set_default(self, mode: Mode) -> None:
        """Every link has this mode from now on, also those to pods that come later."""
        self._default = mode
        for proxy in self._proxies.values():
            proxy.set_mode(mode)

    def heal(self) -> None:
        """Every link passes everything again."""
        for proxy in self._proxies.values():
            proxy.set_mode(PASS)
