"""What the sync and the storm bench make of what their clients saw."""

from __future__ import annotations

from bench.fanout import FanOutWorkload
from bench.fanout import figures_of as fanout_figures
from bench.fanout_load import FanOutResult
from bench.filling import past_of
from bench.move_load import MoveResult
from bench.scale import flat
from bench.storm import figures_of as storm_figures
from bench.sync import figures_of as sync_figures
from bench.sync_load import SyncResult


def test_devices_are_in_sync_when_the_last_of_all_processes_is() -> None:
    one = SyncResult(began=10.0, ended=12.0, device_us=[500_000, 900_000], got=20)
    other = SyncResult(began=10.1, ended=13.0, device_us=[700_000], got=10, duplicated=1)
    assert sync_figures([one, other], 40) == {
        "seconds": 3.0,
        "p50_ms": 700.0,
        "p99_ms": 900.0,
        "lost": 10,
        "duplicated": 1,
    }


def test_a_storm_is_over_when_everybody_who_lost_a_stream_has_one() -> None:
    result = MoveResult(
        ended=30.0,
        attachments=[("a", 5.0), ("b", 5.0), ("c", 5.0), ("a", 11.0), ("b", 13.0), ("a", 14.0)],
        losses=[("a", 10.1), ("b", 10.1)],
    )
    found = storm_figures([result], killed=10.0)
    assert (found["clients_lost_their_stream"], found["clients_not_back"]) == (2, 0)
    assert (found["back_p50_seconds"], found["back_all_seconds"]) == (3.0, 3.0)
    assert found["attaches_per_second"] == 1.0


def test_who_does_not_return_from_a_storm_is_counted_and_has_no_time() -> None:
    result = MoveResult(ended=30.0, attachments=[("a", 12.0)], losses=[("a", 10.0), ("b", 10.0)])
    found = storm_figures([result], killed=10.0)
    assert (found["clients_lost_their_stream"], found["clients_not_back"]) == (2, 1)
    assert found["back_all_seconds"] == 2.0
    assert storm_figures([MoveResult()], killed=10.0)["back_p99_seconds"] == 0.0


def test_deliveries_are_counted_from_the_first_send_to_the_last_delivery() -> None:
    workload = FanOutWorkload(group_size=4, online=3, messages=2, in_flight=2)
    one = FanOutResult({"0": [9, 9], "1": [9, 9]}, first_sent=10.0, last_got=11.5)
    other = FanOutResult({"0": [9], "1": [9]}, last_got=12.0)
    assert fanout_figures(workload, [one, other]).sustained_deliveries_per_second == 3.0


def test_the_past_of_users_is_dense_and_no_id_comes_twice() -> None:
    seqs: dict[str, list[int]] = {}
    ids = []
    for users in (range(3), range(3, 10)):
        for message, entries in past_of(users, 2):
            ids.append(message.message_id)
            assert {entry.user for entry in entries} == set(message.participants)
            for entry in entries:
                seqs.setdefault(entry.user, []).append(entry.seq)
    assert len(seqs) == 10
    assert all(sorted(one) == [1, 2, 3, 4] for one in seqs.values())
    assert sorted(ids) == list(range(1, 21))


def _cost(closed: float, opened: float, *, lost: int = 0) -> dict[str, float]:
    return {
        "core_ms_per_message": closed,
        "open_loop_core_ms_per_message": opened,
        "open_loop_late_starts": 3,
        "lost": lost,
    }


def test_growth_is_compared_within_a_round_so_that_a_slow_minute_is_in_both() -> None:
    rounds = [
        {"users_10": _cost(0.2, 0.8), "users_100": _cost(0.2, 0.8), "pods_2": _cost(0.3, 0.8)},
        {"users_10": _cost(0.4, 1.6), "pods_2": _cost(0.4, 1.6, lost=1)},
    ]
    found = flat(rounds, {"pods_2_to_1": ("users_10", "pods_2")}, {"pods_1": "users_10"})
    assert found["pods_2_to_1_core_ms_per_message_ratio"] == 1.25  # of 1.5 and 1.0
    assert found["pods_2_to_1_core_ms_per_message_ratio_max"] == 1.5
    assert found["pods_2_to_1_open_loop_core_ms_per_message_ratio"] == 1.0
    assert found["pods_1_core_ms_per_message"] == found["users_10_core_ms_per_message"] == 0.3
    assert (found["lost"], found["duplicated"]) == (1, 0)
    assert (found["users_100_open_loop_late_starts"], found["pods_2_open_loop_late_starts"]) == (
        3,
        6,
    )
