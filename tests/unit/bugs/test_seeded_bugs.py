"""The checker is proven: each bug here breaks a promise, and each is caught.

A bug is a faulty part behind a port (faulty_stores) or one patched function of the services
(faulty_functions) or below them (faulty_core_functions), never a switch in the product. Each runs
in a world whose faults give it its occasion; the same worlds without it are clean
(test_memory_cluster_is_clean).
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.unit.bugs import faulty_core_functions as core_functions
from tests.unit.bugs import faulty_functions as functions
from tests.unit.bugs import faulty_stores as stores
from tests.unit.bugs.faulty_functions import Patch
from tests.unit.bugs.plans import (
    ANSWERS_LOST,
    BLACKOUTS,
    COARSE_CLOCKS,
    MEMBERS_LEAVE,
    MINDLESS_DEVICES,
    MONGO_AWAY,
    REDIS_LOST,
    SILENCE_AFTER_BROKEN_LINKS,
    SILENCE_AFTER_CUTS,
    SILENCE_WITHOUT_ROUTER,
    SKEWED_CLOCKS,
    SLOW_READERS,
    SLOW_ROUTER,
    STORES_FAIL,
    STREAMS_BREAK,
    STREAMS_BREAK_OFTEN,
)
from whimbrel.testing.memory_cluster.cluster import MakeStores
from whimbrel.testing.memory_cluster.findings import verdict_of
from whimbrel.testing.memory_cluster.plan import Plan
from whimbrel.testing.memory_cluster.stores import sound_stores
from whimbrel.testing.memory_cluster.world import run_world

SEEDS = range(1, 11)


@dataclass(frozen=True)
class Bug:
    """`breaks` names the promise, `found_as` the finding that has to be among those found."""

    breaks: str
    found_as: str
    plan: Plan
    patch: Patch | None = None
    make_stores: MakeStores = sound_stores


_C, _F, _S = core_functions, functions, stores
BUGS = (
    # Promise 1: durable before accepted.
    Bug(
        "accept_before_commit",
        "timelines",
        MONGO_AWAY,
        make_stores=_S.with_stores(timelines=_S.AnswersBeforeItWrites),
    ),
    Bug(
        "void_a_living_entry",
        "timelines",
        REDIS_LOST,
        _F.void_one_too_many,
        make_stores=_S.with_stores(timelines=_S.VoidsOverwrite),
    ),
    Bug(
        "answer_what_a_lost_primary_had",
        "timelines",
        STORES_FAIL,
        _F.answer_what_a_lost_primary_had,
    ),
    Bug("leave_half_done_what_a_dead_logic_left", "timelines", BLACKOUTS, _F.leave_the_dead_alone),
    # Promise 2: dense.
    Bug("forget_the_hole", "holes", REDIS_LOST, _C.forget_the_hole),
    Bug("skip_the_replay", "lost", STREAMS_BREAK, _C.skip_the_replay),
    Bug("resume_above_the_cursor", "lost", STREAMS_BREAK, _F.resume_above_the_cursor),
    # Promise 3: once.
    Bug(
        "lack_the_index_of_client_keys",
        "duplicated",
        STORES_FAIL,
        make_stores=_S.with_stores(messages=_S.WithoutClientKeys),
    ),
    Bug(
        "redeliver_as_new",
        "duplicated",
        STORES_FAIL,
        make_stores=_S.with_stores(timelines=_S.WithoutPlacements),
    ),
    Bug("duplicate_at_the_seam", "duplicated", SLOW_READERS, _C.deliver_the_seam_twice),
    Bug("forget_the_resend_check", "phantoms", MEMBERS_LEAVE, _F.forget_the_resend_check),
    Bug("lose_the_resend_flag", "phantoms", MEMBERS_LEAVE, _C.lose_the_resend_flag),
    Bug("complete_with_todays_members", "timelines", BLACKOUTS, make_stores=_S.with_todays_members),
    Bug("call_an_unknown_outcome_a_refusal", "phantoms", ANSWERS_LOST, _F.call_unknown_refused),
    Bug("answer_anothers_send", "disagreements", STREAMS_BREAK, _F.answer_anothers_send),
    Bug("forget_the_unanswered", "unanswered", STREAMS_BREAK_OFTEN, _C.forget_the_unanswered),
    # Promise 4: in order.
    Bug("deliver_without_order", "reordered", STREAMS_BREAK, _C.deliver_without_order),
    Bug("reorder_within_a_frame", "broken_words", STREAMS_BREAK, _F.reverse_the_frame),
    Bug("give_the_newest_first", "reordered", SLOW_READERS, _C.give_the_newest_first),
    Bug("drop_the_late_entry", "lost", REDIS_LOST, _C.drop_the_late_entry),
    Bug(
        "reuse_an_id_after_a_lease",
        "disagreements",
        COARSE_CLOCKS,
        make_stores=_S.with_stores(leases=_S.OneWorkerForAll, messages=_S.OverwritesMessages),
    ),
    Bug("mint_below_what_was_seen", "reply_first", SKEWED_CLOCKS, _F.mint_below_what_was_seen),
    # Promise 5: cursors never go back.
    Bug("confirm_before_stored", "cursors_back", MINDLESS_DEVICES, _F.confirm_before_stored),
    Bug(
        "read_cursors_from_a_secondary",
        "cursors_back",
        MINDLESS_DEVICES,
        make_stores=_S.with_stores(cursors=_S.ReadsAStaleReplica),
    ),
    Bug("acknowledge_what_waits", "lost", SLOW_READERS, _C.acknowledge_what_waits),
    # Promise 7: fenced.
    Bug(
        "ignore_the_epoch",
        "deaf",
        SILENCE_AFTER_CUTS,
        _F.supersede_nobody,
        make_stores=_S.with_careless_directory,
    ),
    Bug("read_the_backlog_before_the_route", "deaf", SLOW_ROUTER, _F.read_the_backlog_first),
    # Promise 8: Redis may vanish.
    Bug(
        "raise_counters_too_low",
        "disagreements",
        REDIS_LOST,
        make_stores=_S.with_stores(reservations=_S.CountersTooLow, timelines=_S.OverwritesEntries),
    ),
    Bug(
        "push_to_the_stale_route_only",
        "deaf",
        SILENCE_AFTER_CUTS,
        make_stores=_S.with_locator(_S.KeepsTheFirstRoute),
    ),
    Bug(
        "take_a_failed_locate_for_offline",
        "deaf",
        SILENCE_WITHOUT_ROUTER,
        make_stores=_S.with_locator(_S.FailureIsOffline),
    ),
    # Promise 9: any process may be killed.
    Bug("never_look_at_heads", "deaf", SILENCE_AFTER_BROKEN_LINKS, _F.never_look_at_heads),
)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.breaks)
def test_a_bug_is_caught(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    if bug.patch is not None:
        bug.patch(monkeypatch)
    found = []
    for seed in SEEDS:
        findings = verdict_of(run_world(seed, bug.plan, bug.make_stores))
        found.append(dict(findings.kinds))
        if bug.found_as in findings.kinds:
            return
    pytest.fail(f"{bug.breaks} was not found as {bug.found_as!r}: {found}")
