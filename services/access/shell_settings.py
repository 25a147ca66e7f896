"""What an Access pod bears before it says no: the limits of its shell, each with its unit, default
and reason.

All of them hold for one pod, except for bans, which the pods share where they have a Redis; of a
pod with several processes those of one address, user, conversation and stream hold for each
process. A limit of 0 is none.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import Field

from whimbrel.runtime.settings_group import Seconds, SettingsGroup

Limit = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(ge=0)]


class ShellSettings(SettingsGroup):
    """How much one address, one user, one conversation and one stream may ask of a pod."""

    connects_per_second: Limit = 100
    """Connects of one address (IPv6: of one /64) within a second, streams and bare connections
    alike, beyond which it is banned. Default 100: a whole office behind one NAT that returns
    within its storm window of 2 s is 200 people on one pod; a machine that does nothing else makes
    thousands. 0 bans nobody."""
    ban_seconds: Seconds = 60.0
    """Seconds for which a banned address is kept out. Default 60: who was banned by mistake is
    back in a minute; a flood that goes on is banned again within a second."""
    trusted: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that are never counted and never banned, as JSON: ["10.0.0.0/8"]. Default none.
    Name here whatever many clients come through: load balancers that hide the client's address,
    and the proxies of `real_address_header`."""
    real_address_header: str = ""
    """Metadata in which a trusted proxy says for whom it asks ("x-forwarded-for"): the last
    address there that is not trusted itself counts as the client's. Default none: it is believed
    from nobody. Lower case."""
    streams_per_address: Limit = 2_000
    """Streams of one address. Default 2,000: a large company behind one NAT; a tenth of the
    pod."""
    streams_per_user: Limit = 50
    """Streams of one user. Default 50: twice as many devices as a person has, each with one
    stream that ends and one that begins."""
    streams: Limit = 20_000
    """Streams of the pod, beyond which newcomers are told Busy. Default 20,000: 1 GB at 50 KiB
    each."""
    unnamed_streams: Limit = 1_000
    """Streams whose Hello has not come. Beyond it the one that has waited longest is ended: a
    client says Hello within a round trip, whoever waits longest is least likely to. Default 1,000:
    a second of the fastest return that one pod takes, and 40 MB."""
    unnamed_streams_per_address: Limit = 200
    """The same for one address. Default 200: a fifth of the pod's."""
    memory_mib: Limit = 0
    """Resident MiB above which newcomers are told Busy. Default 0: 85 % of the container's memory
    limit, if it has one; the rest is for those who are here."""
    stray_bytes_per_second: Limit = 1024 * 1024
    """Bytes a second that may come on one connection beside the frames of its streams. Beyond it
    the connection is cut and its address banned. Default 1 MiB: pings, windows and settings of a
    client are a thousandth of that; a flood of them takes a core at some 10 MiB a second. 0, or
    neither frames nor bytes limited: any number."""
    user_messages_per_second: Rate = 20.0
    """Messages a second that one user may send, from all devices on this pod. Default 20: ten
    times what a person types, and what a careful program needs. 0: any number."""
    user_messages_burst: Annotated[int, Field(ge=1)] = 200
    """Messages that a user may send at once. Default 200: what was written in a tunnel."""
    conversation_messages_per_second: Rate = 100.0
    """Messages a second into one conversation through this pod. Default 100: nobody can read
    more, and each is written to every member. 0: any number."""
    conversation_messages_burst: Annotated[int, Field(ge=1)] = 1_000
    """Messages into one conversation at once. Default 1,000: everybody in the largest group says
    one word."""
    frames_per_second: Rate = 100.0
    """Frames a second that are read from one stream, where a Send counts as many as it has
    messages; the rest waits with the client. Default 100: at 25 µs or more each, 1 % of a core for
    the busiest. 0: any number."""
    frames_burst: Annotated[int, Field(ge=1)] = 500
    """Frames that are read at once. Default 500: the acks of a long backlog."""
    bytes_per_second: Rate = 1024 * 1024
    """Bytes a second that are read from one stream; the rest waits with the client, after 64 KiB
    on the way. Default 1 MiB: 16 of the largest bodies. 0: any number."""
    bytes_burst: Annotated[int, Field(ge=1)] = 4 * 1024 * 1024
    """Bytes that are read at once. Default 4 MiB: 64 of the largest bodies, as many as may be
    unanswered."""
