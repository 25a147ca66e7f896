"""Addresses become gRPC targets, or a sentence says why not."""

from __future__ import annotations

import pytest

from whimbrel.runtime.channels import channel_options, channel_target, server_options


@pytest.mark.parametrize(
    ("addresses", "target"),
    [
        ("router:7000", "dns:///router:7000"),
        ("127.0.0.1:7000", "dns:///127.0.0.1:7000"),
        ("127.0.0.1:1, localhost:2", "ipv4:127.0.0.1:1,127.0.0.1:2"),
        ("[::1]:1,[::1]:2", "ipv6:[::1]:1,[::1]:2"),
    ],
)
def test_targets(addresses: str, target: str) -> None:
    assert channel_target(addresses) == target


@pytest.mark.parametrize("addresses", ["", " , ", "a:1,b:2", "127.0.0.1:1,[::1]:2"])
def test_addresses_that_have_no_target_are_refused(addresses: str) -> None:
    with pytest.raises(ValueError):
        channel_target(addresses)


def test_a_port_is_shared_on_purpose_alone_and_clients_cannot_make_a_pod_buffer() -> None:
    for client_facing in (True, False):
        assert dict(server_options(client_facing=client_facing))["grpc.so_reuseport"] == 0
        shared = dict(server_options(client_facing=client_facing, shares_port=True))
        assert shared["grpc.so_reuseport"] == 1
    assert dict(server_options(client_facing=True))["grpc.http2.bdp_probe"] == 0
    assert "grpc.http2.bdp_probe" not in dict(server_options(client_facing=False))


def test_no_option_is_given_twice() -> None:
    for options in (
        server_options(client_facing=True),
        server_options(client_facing=False),
        channel_options(),
    ):
        assert len(dict(options)) == len(options)
