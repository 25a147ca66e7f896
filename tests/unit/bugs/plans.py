"""Small worlds, each with the faults that give one kind of bug its occasion."""

from __future__ import annotations

from whimbrel.testing.memory_cluster.plan import Plan

SMALL = Plan(messages=40, trouble_seconds=8.0, fault_seconds=0.4)
# Few words: a later message shows its reader that an earlier one is missing.
TACITURN = Plan(
    messages=40, trouble_seconds=60.0, users=8, groups=0, fault_seconds=5.0, prompt_seconds=2.5
)

STREAMS_BREAK = SMALL.only("cut_client", "half_open", "cut_link", "kill_access")
STREAMS_BREAK_OFTEN = SMALL.only("cut_client", "half_open", fault_seconds=0.1, messages=60)
ANSWERS_LOST = SMALL.only("cut_answer", messages=80)
STORES_FAIL = SMALL.only("lose_answer", "mongo_away", "kill_logic", "half_write", messages=80)
MONGO_AWAY = SMALL.only("mongo_away", messages=80)
BLACKOUTS = SMALL.only("blackout", messages=80)
REDIS_LOST = SMALL.only("flush_redis", "redis_behind", "redis_away", "router_away")
MEMBERS_LEAVE = SMALL.only("expel_writer", messages=80, groups=6, fault_seconds=0.25)
MINDLESS_DEVICES = SMALL.only("forget_device", "kill_access", "restart_device", messages=80)
SLOW_READERS = SMALL.only(
    "cut_client", "restart_device", window_messages=4, think_seconds=0.4, messages=60
)
SKEWED_CLOCKS = SMALL.only("kill_logic", "cut_link", clock_skew_ms=5_000, messages=80)
COARSE_CLOCKS = SMALL.only("kill_logic", clock_skew_ms=0, clock_step_ms=1_000)
SILENCE_AFTER_CUTS = TACITURN.only("half_open", messages=60, fault_seconds=2.0)
SILENCE_AFTER_BROKEN_LINKS = TACITURN.only("cut_push", fault_seconds=3.0)
SILENCE_WITHOUT_ROUTER = TACITURN.only("router_away")
SLOW_ROUTER = TACITURN.only("cut_client", router_seconds=2.0, fault_seconds=1.0, access_pods=4)

EVERY = {
    "everything": Plan(),
    "streams_break": STREAMS_BREAK,
    "streams_break_often": STREAMS_BREAK_OFTEN,
    "answers_lost": ANSWERS_LOST,
    "stores_fail": STORES_FAIL,
    "mongo_away": MONGO_AWAY,
    "blackouts": BLACKOUTS,
    "redis_lost": REDIS_LOST,
    "members_leave": MEMBERS_LEAVE,
    "mindless_devices": MINDLESS_DEVICES,
    "slow_readers": SLOW_READERS,
    "skewed_clocks": SKEWED_CLOCKS,
    "coarse_clocks": COARSE_CLOCKS,
    "silence_after_cuts": SILENCE_AFTER_CUTS,
    "silence_after_broken_links": SILENCE_AFTER_BROKEN_LINKS,
    "silence_without_router": SILENCE_WITHOUT_ROUTER,
    "slow_router": SLOW_ROUTER,
}
