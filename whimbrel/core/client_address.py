"""Whose stream it is: the address that is counted and banned. Pure.

An IPv6 client has a whole /64 to itself (RFC 6177), so that is what counts as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import unquote

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NOBODY: Final = ""
"""The key of whom we trust, or cannot tell from others: never counted, never banned."""


def key_of(address: Address) -> str:
    """What is counted as one: "192.0.2.7/32", also when it is written as IPv6, or
    "2001:db8:0:1::/64"."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(IPv6Network((int(address) >> 64 << 64, 64)))
        address = address.ipv4_mapped
    return f"{address}/32"


def peer_of(peer: str) -> tuple[str, int]:
    """Host and port of a gRPC peer ("ipv4:192.0.2.7:5000", "ipv6:%5B::1%5D:5000"); ("", 0) for
    one that has none."""
    family, _, rest = peer.partition(":")
    host, _, port = unquote(rest).rpartition(":")
    if family not in ("ipv4", "ipv6") or not port.isdigit():
        return "", 0
    return host, int(port)


class ClientAddresses:
    """Says who is behind a stream, given whom we trust."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)

    def key_behind(self, host: str, forwarded: str = "") -> str:
        """The key of whoever connects from `host`. `forwarded` is what a proxy says of it
        ("client, proxy, proxy"): believed from the trusted alone, and from the right as far as
        they go, because a client can write what it likes on the left."""
        for text in (host, *reversed(forwarded.split(","))):
            try:
                address = ip_address(text.strip(' []"').partition("%")[0])
            except ValueError:
                return NOBODY
            if not self.trusts(address):
                return key_of(address)
        return NOBODY

    def trusts(self, address: Address) -> bool:
        """Whether it belongs to a trusted network."""
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(one.version == address.version and address in one for one in self._trusted)
