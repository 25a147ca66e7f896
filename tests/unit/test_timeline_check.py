"""The check of the stores catches what it is there for."""

from __future__ import annotations

from typing import Any

import pytest

from whimbrel.testing.timeline_check import check_timelines

Row = dict[str, Any]


def healthy() -> tuple[list[Row], list[Row]]:
    of_both = {"participants": ["a", "b"], "sender": "a", "conversation": "d:a:b"}
    messages: list[Row] = [{"_id": number, **of_both} for number in (10, 20, 30)]
    entries = [
        {"user": user, "seq": seq, "message_id": message_id, "conversation": "d:a:b", "sender": "a"}
        for user in ("a", "b")
        for seq, message_id in enumerate((10, 20, 30), start=1)
    ]
    return messages, entries


def test_healthy_stores_have_no_problems() -> None:
    report = check_timelines(*healthy(), accepted=[10, 20, 30])
    assert report.problems == []
    assert (report.messages, report.users, report.entries, report.late) == (3, 2, 6, 0)


def test_a_void_is_counted_and_is_no_problem() -> None:
    messages, entries = healthy()
    entries.append({"user": "b", "seq": 4})
    report = check_timelines(messages, entries)
    assert (report.voids, report.problems) == (1, [])


def _lose_an_entry(messages: list[Row], entries: list[Row]) -> None:
    entries.pop()


def _make_a_hole(messages: list[Row], entries: list[Row]) -> None:
    entries[-1]["seq"] = 5


def _repeat_an_entry(messages: list[Row], entries: list[Row]) -> None:
    entries.append({**entries[-1], "seq": 4})


def _lose_a_message(messages: list[Row], entries: list[Row]) -> None:
    messages.pop()


def _deliver_to_a_stranger(messages: list[Row], entries: list[Row]) -> None:
    entries.append({**entries[0], "user": "c", "seq": 1})


def _name_another_sender(messages: list[Row], entries: list[Row]) -> None:
    entries[0]["sender"] = "b"


@pytest.mark.parametrize(
    "bug",
    [
        _lose_an_entry,
        _make_a_hole,
        _repeat_an_entry,
        _lose_a_message,
        _deliver_to_a_stranger,
        _name_another_sender,
    ],
)
def test_each_broken_promise_is_named(bug: Any) -> None:
    messages, entries = healthy()
    bug(messages, entries)
    assert check_timelines(messages, entries, accepted=[10, 20, 30]).problems


def test_a_late_entry_is_counted() -> None:
    messages, entries = healthy()
    entries[0]["message_id"], entries[2]["message_id"] = 30, 10
    report = check_timelines(messages, entries)
    assert (report.late, report.problems) == (2, [])
