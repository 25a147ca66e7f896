"""Options of gRPC servers and channels, each with its reason, and how a channel is opened.

Most were found by measuring grpc.aio; change one only with a measurement. Must not make calls.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

import grpc

Options = list[tuple[str, int | str]]

_MIB: Final = 1024 * 1024


def server_options(*, client_facing: bool, shares_port: bool = False) -> Options:
    """Options of a server: careful with clients, who may be anything; generous between pods.
    `shares_port`: on purpose, with other processes or with a sink (`listener`)."""
    options: Options = [
        # On by default: a second process would bind the same port without a word.
        ("grpc.so_reuseport", int(shares_port)),
        # Idle connections are normal here; without this a keepalive ping ends in too_many_pings.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    if client_facing:
        return [
            *options,
            # Above the longest heartbeat of a client, which is what finds a dead one: pings of
            # the transport in between would wake a phone's radio, and would keep its NAT from
            # being found out.
            ("grpc.keepalive_time_ms", 600_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            # Without it a frozen peer is noticed after 60 s.
            ("grpc.http2.ping_timeout_ms", 10_000),
            # Clients that ping more often than this are ended.
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            # With probing, a client that never reads swallows 4 MiB; without it 64 KiB.
            ("grpc.http2.bdp_probe", 0),
            # Twice the largest frame: between the two, Access refuses it with a Close that the
            # client understands; beyond, the stream dies in odd ways.
            ("grpc.max_receive_message_length", _MIB // 2),
            # Who connects says something within 5 s, and makes a call within 20 s of the last.
            ("grpc.server_handshake_timeout_ms", 5_000),
            ("grpc.max_connection_idle_ms", 20_000),
            # One stream and a few unary calls per connection.
            ("grpc.max_concurrent_streams", 8),
            ("grpc.max_metadata_size", 8 * 1024),
        ]
    return [*options, *_between_pods()]


def channel_options() -> Options:
    """Options of a channel from one pod to another."""
    return [
        *_between_pods(),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # A pod that restarts is back in a second: try soon, and never wait long. Jitter is
        # gRPC's own.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 2_000),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # Channels with equal arguments share a connection otherwise, and break together.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.lb_policy_name", "round_robin"),
        # Proxies of the environment are for the world outside.
        ("grpc.enable_http_proxy", 0),
    ]


def _between_pods() -> Options:
    return [
        # A peer behind dropped packets, or a frozen one, is noticed within 5 + 3 s: inside the
        # 10 s of a lease, and not at every pause of a busy machine.
        ("grpc.keepalive_time_ms", 5_000),
        ("grpc.keepalive_timeout_ms", 3_000),
        ("grpc.http2.ping_timeout_ms", 3_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
        # Batches are at most 1 MiB; the rest is room for one message above it.
        ("grpc.max_receive_message_length", 4 * _MIB),
        ("grpc.max_send_message_length", 4 * _MIB),
    ]


def open_channel(addresses: str) -> grpc.aio.Channel:
    """A channel to one pod, or round robin over several ("host:port[,host:port]").

    One host name may resolve to many addresses; several must be IP addresses of one family,
    or localhost. Raises ValueError otherwise. The caller closes the channel.
    """
    return grpc.aio.insecure_channel(channel_target(addresses), options=channel_options())


def channel_target(addresses: str) -> str:
    """The gRPC target of "host:port[,host:port]"; ValueError when there is none."""
    parts = [part.strip() for part in addresses.split(",") if part.strip()]
    if not parts:
        raise ValueError("no address to connect to")
    if len(parts) == 1:
        return f"dns:///{parts[0]}"
    versions = set()
    numeric = []
    for part in parts:
        host, _, port = part.rpartition(":")
        host = "127.0.0.1" if host == "localhost" else host
        try:
            versions.add(ip_address(host.strip("[]")).version)
        except ValueError:
            raise ValueError(
                f"of several addresses each must be an IP address, not {host!r}"
            ) from None
        numeric.append(f"{host}:{port}")
    if len(versions) > 1:
        raise ValueError(f"{addresses!r} mixes IPv4 and IPv6")
    return f"ipv{versions.pop()}:{','.join(numeric)}"
