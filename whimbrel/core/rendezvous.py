"""Rendezvous hashing: everybody who knows the same nodes chooses the same one for a key.

When a node comes or goes only its own share of the keys moves. Source: Thaler and
Ravishankar, "A Name-Based Mapping Scheme for Rendezvous" (1996), with the highest weight
winning.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b


def weight(key: str, node: str) -> int:
    """The 64-bit weight of `node` for `key`: the same on every machine and in every process."""
    digest = blake2b(f"{node}\x00{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def choose(key: str, nodes: Iterable[str]) -> str | None:
    """The node that holds `key`, or None when there is no node."""
    return max(nodes, key=lambda node: (weight(key, node), node), default=None)


def rank(key: str, nodes: Iterable[str]) -> list[str]:
    """All nodes, best first: where `key` goes when the best is gone."""
    return sorted(nodes, key=lambda node: (weight(key, node), node), reverse=True)
