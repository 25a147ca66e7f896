from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.core.client_address import NOBODY, ClientAddresses, peer_of

PROXIES = ClientAddresses([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


@pytest.mark.parametrize(
    ("peer", "found"),
    [
        ("ipv4:192.0.2.7:5000", ("192.0.2.7", 5000)),
        ("ipv6:%5B2001:db8::1%5D:5000", ("[2001:db8::1]", 5000)),
        ("ipv6:[::1]:1", ("[::1]", 1)),
        ("unix:/tmp/socket", ("", 0)),
        ("", ("", 0)),
    ],
)
def test_a_peer_is_read_as_grpc_writes_it(peer: str, found: tuple[str, int]) -> None:
    assert peer_of(peer) == found


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("[::ffff:192.0.2.7]", "192.0.2.7/32"),
        ("[2001:db8:0:1:aaaa::1]", "2001:db8:0:1::/64"),
        ("[2001:db8:0:1:bbbb::2]", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("10.1.2.3", NOBODY),
        ("[::ffff:10.1.2.3]", NOBODY),
        ("fd00::5", NOBODY),
        ("nonsense", NOBODY),
    ],
)
def test_an_address_counts_as_its_64_and_the_trusted_as_nobody(host: str, key: str) -> None:
    assert PROXIES.key_behind(host) == key


@pytest.mark.parametrize(
    ("host", "forwarded", "key"),
    [
        ("10.0.0.1", "192.0.2.7", "192.0.2.7/32"),
        ("10.0.0.1", "192.0.2.7, 10.0.0.2", "192.0.2.7/32"),
        ("10.0.0.1", "203.0.113.1, 192.0.2.7, 10.0.0.2", "192.0.2.7/32"),
        ("10.0.0.1", "203.0.113.1, who knows", NOBODY),
        ("10.0.0.1", "10.0.0.9", NOBODY),
        ("198.51.100.1", "192.0.2.7", "198.51.100.1/32"),
    ],
)
def test_only_what_trusted_proxies_say_is_believed(host: str, forwarded: str, key: str) -> None:
    assert PROXIES.key_behind(host, forwarded) == key


@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_that_a_client_writes_breaks_it(host: str, forwarded: str) -> None:
    PROXIES.key_behind(host, forwarded)
    PROXIES.key_behind("10.0.0.1", forwarded)
    peer_of(host)
