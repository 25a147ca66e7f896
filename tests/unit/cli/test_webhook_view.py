"""What `whimbrel webhooks` says to people."""

from __future__ import annotations

from typing import Any

import pytest

from whimbrel.cli.webhook_view import TOLERANCE_MS, lines_of_show, lines_of_test

OUTBOX = {
    "kinds": ["message.sent"],
    "waiting": "3",
    "dead": "1",
    "oldest_ms": "65500",
    "untaken_ms": "64000",
}
ASKED = {
    "origin": "https://backend.example.org",
    "timeout_ms": 300,
    "on_failure": "allow",
    "is_open": True,
    "waiting": 0,
    "outcomes": {"skipped": "9", "allowed": "70"},
}


def test_events_that_are_recorded_and_that_nobody_delivers_are_shown_with_what_to_do() -> None:
    shown = {
        "logic": [{"pod_id": "logic-0", "before_send": ASKED, "outbox": OUTBOX}],
        "push": [{"pod_id": "push-0", "origin": "", "outcomes": {}, "lag_ms": "0"}],
    }
    assert lines_of_show(shown) == [
        "before a message is stored:",
        "  logic-0  https://backend.example.org  at most 300 ms, else allow; breaker open: nobody"
        " is asked; waiting 0",
        "    allowed 70, skipped 9",
        "events:",
        "  kinds: message.sent",
        "  waiting 3, the oldest for 65.5 s; dead 1",
        "  due and not taken by any push pod for 64 s",
        "  push-0  tells nobody",
        "  nobody delivers them: give push WHIMBREL_WEBHOOKS__EVENTS_URL too",
    ]


def test_a_pod_that_does_not_answer_is_shown_as_such() -> None:
    row = {"pod_id": "x-0", "error": "away"}
    lines = lines_of_show({"logic": [row], "push": [row]})
    assert lines.count("  x-0  does not answer: away") == 2


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"clock_ahead_ms": "-900"}, "expected to pass"),
        ({"clock_ahead_ms": str(TOLERANCE_MS + 1000)}, "+301 s from ours: it should refuse"),
        ({}, "is not known"),
    ],
)
def test_a_test_says_whether_the_signature_should_be_believed(
    told: dict[str, Any], said: str
) -> None:
    events = {"outcome": "delivered", "status": 204, "took_ms": 12.4, "signatures": 2, **told}
    first, second = lines_of_test({"events": events})
    assert first == "events: delivered (status 204) after 12 ms"
    assert second.startswith("  signatures: 2; ")
    assert said in second
