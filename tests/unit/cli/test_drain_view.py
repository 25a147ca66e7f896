"""How plans look to people and to programs."""

from __future__ import annotations

import json

from rich.console import Console

from whimbrel.api.drain.v1 import drain_pb2
from whimbrel.cli.drain_view import bar, plan_json, plan_line, plans_json, plans_table


def plan(**fields: object) -> drain_pb2.Plan:
    known = {
        "plan_id": "drain.operator.1.60000@access-0",
        "kind": drain_pb2.PLAN_KIND_DRAIN,
        "pod_id": "access-0",
        "cause": "operator",
        "phase": drain_pb2.DRAIN_PHASE_DRAINING,
        "planned": 200,
        "remaining": 50,
        "moved": 149,
        "forced": 1,
        "sessions_per_second": 85.04,
        "started_ms": 2**53 + 1,
        "deadline_ms": 41_200,
        "target_pod_ids": ["access-1"],
    }
    return drain_pb2.Plan(**{**known, **fields})  # type: ignore[arg-type]


def test_a_plan_in_json_has_words_and_numbers_and_64_bits_as_strings() -> None:
    row = json.loads(json.dumps(plan_json(plan(waiting_for="no room"))))
    assert row == {
        "plan": "drain.operator.1.60000@access-0",
        "kind": "drain",
        "pod": "access-0",
        "cause": "operator",
        "phase": "draining",
        "outcome": None,
        "planned": 200,
        "remaining": 50,
        "moved": 149,
        "deferred": 0,
        "failed": 0,
        "forced": 1,
        "sessions_per_second": 85.0,
        "started_ms": "9007199254740993",
        "ended_ms": None,
        "deadline_ms": 41_200,
        "targets": ["access-1"],
        "waiting_for": "no room",
    }


def test_all_plans_in_json_name_the_leader() -> None:
    plans = drain_pb2.ListPlansResponse(plans=[plan()], leads=True, term=7, leader="drain-0")
    assert {**plans_json(plans), "plans": []} == {"leader": "drain-0", "term": "7", "plans": []}


def test_a_line_says_how_far_it_is_and_what_it_waits_for() -> None:
    assert plan_line(plan()) == (
        "access-0 draining   ━━━━━━━━━━━━━━━─────  75%, 50 left, 149 moved, 1 forced, 85/s,"
        " deadline in 41 s"
    )
    assert plan_line(plan(waiting_for="no room: …")).endswith(", waits for no room: …")


def test_a_bar_is_full_at_the_end_and_empty_at_the_start() -> None:
    assert bar(plan(remaining=200)).endswith("   0%")
    assert bar(plan(remaining=0)).endswith("100%")
    done = plan(planned=0, remaining=0, outcome=drain_pb2.PLAN_OUTCOME_DONE)
    assert bar(done).endswith("100%"), "a pod without a session is empty"
    assert bar(plan(planned=0, remaining=0)).endswith("   0%")


def test_the_table_has_a_row_for_each_plan_and_one_for_what_it_waits_for() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(plans_table([plan(), plan(pod_id="access-1", waiting_for="no room")]))
    text = capture.get()
    assert "access-0" in text
    assert "access-1" in text
    assert "access-1 waits for no room" in text
    assert "41 s" in text, "all of it fits into 80 columns"
