"""What a traceparent says, and that a bad one says nothing."""

from __future__ import annotations

import pytest

from whimbrel.core.traceparent import (
    FOLLOWED_RECIPIENTS,
    TraceContext,
    is_followed,
    parse_traceparent,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def test_what_is_written_is_read() -> None:
    context = TraceContext(int(TRACE, 16), int(SPAN, 16))
    assert context.traceparent == f"00-{TRACE}-{SPAN}-01"
    assert context.trace_hex == TRACE
    assert parse_traceparent(context.traceparent) == context
    small = TraceContext(1, 2)
    assert parse_traceparent(small.traceparent) == small


def test_only_the_sampled_flag_counts_of_the_flags() -> None:
    assert parse_traceparent(f"00-{TRACE}-{SPAN}-03") is not None
    assert parse_traceparent(f"00-{TRACE}-{SPAN}-00") is None
    assert parse_traceparent(f"00-{TRACE}-{SPAN}-02") is None


def test_a_later_version_is_read_as_far_as_this_one_goes() -> None:
    assert parse_traceparent(f"01-{TRACE}-{SPAN}-01-more") is not None
    assert parse_traceparent(f"00-{TRACE}-{SPAN}-01-more") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"01-{TRACE}-{SPAN}-01-{'x' * 100_000}",
        "\x00" * 55,
        "٠" * 55,
    ],
)
def test_what_is_none_is_ignored(text: str) -> None:
    assert parse_traceparent(text) is None


def test_everybody_is_followed_among_few_and_about_eight_among_many() -> None:
    assert all(is_followed(7, f"user-{n}", FOLLOWED_RECIPIENTS) for n in range(8))
    followed = [
        sum(is_followed(message, f"user-{n}", 1_000) for n in range(1_000))
        for message in range(1, 101)
    ]
    assert max(followed) <= 3 * FOLLOWED_RECIPIENTS
    assert 6 <= sum(followed) / len(followed) <= 10
