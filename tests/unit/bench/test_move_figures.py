"""What the drain bench makes of what its clients saw."""

from __future__ import annotations

from bench.move_figures import SeenRun, figures
from bench.move_load import MoveResult

BEGAN, ENDED = 100.0, 110.0


def made(homes: dict[str, str] | None = None, **more: object) -> MoveResult:
    homes = homes or {"alice": "a", "bob": "b"}
    return MoveResult(began=90.0, ended=115.0, homes=homes, **more)  # type: ignore[arg-type]


def figures_of(*results: MoveResult, sessions: int = 2) -> dict[str, object]:
    return figures([SeenRun(results, BEGAN, ENDED)], sessions)


def test_deliveries_around_a_move_are_compared_with_those_in_quiet() -> None:
    found = figures_of(
        made(
            attachments=[("alice", 80.0), ("bob", 80.0), ("alice", 105.0)],
            deliveries=[
                ("alice", 85.0, 900.0),  # the warm-up
                ("alice", 95.0, 60.0),
                ("bob", 96.0, 60.0),
                ("alice", 104.8, 70.0),
                ("alice", 105.8, 500.0),  # too long after the move
                ("bob", 105.0, 500.0),  # has not moved
            ],
            moves={"alice": 1, "bob": 0},
        )
    )
    assert found["deliveries_around_moves"] == 1
    assert (found["quiet_p50_ms"], found["moving_p50_ms"], found["added_p50_ms"]) == (60, 70, 10)
    assert (found["moved"], found["moved_once_at_most_ratio"]) == (1, 1.0)
    assert found["max_to_mean_sessions_ratio"] == 1.0


def test_who_was_without_a_stream_counts_until_the_clients_close() -> None:
    found = figures_of(
        made(
            attachments=[("alice", 80.0), ("alice", 104.0), ("alice", 109.0)],
            losses=[("alice", 101.0), ("bob", 99.0), ("bob", 116.0)],
        )
    )
    assert found["without_stream_ratio"] == 0.5
    assert found["seconds_to_all_back"] == 4.0


def test_who_never_comes_back_is_not_back_at_once() -> None:
    found = figures_of(made(attachments=[("alice", 80.0)], losses=[("alice", 101.0)]))
    assert found["seconds_to_all_back"] == 15.0


def test_runs_are_pooled_and_the_worst_of_them_counts() -> None:
    quick = made(
        attachments=[("alice", 105.0)],
        deliveries=[("alice", 95.0, 60.0), ("alice", 105.0, 61.0)],
        moves={"alice": 1, "bob": 0},
    )
    slow = made(
        attachments=[("alice", 105.0), ("alice", 108.0)],
        losses=[("bob", 101.0)],
        deliveries=[("alice", 95.0, 60.0), ("alice", 105.0, 99.0), ("alice", 108.0, 62.0)],
        moves={"alice": 2, "bob": 0},
        lost=1,
    )
    found = figures([SeenRun([quick], BEGAN, ENDED), SeenRun([slow], BEGAN, 120.0)], sessions=2)
    assert (found["runs"], found["deliveries_around_moves"]) == (2, 3)
    assert (found["moving_p50_ms"], found["added_p99_ms"]) == (62.0, 39.0)
    assert (found["lost"], found["seconds_to_empty"]) == (1, 20.0)
    assert (found["moved"], found["moved_once_at_most_ratio"]) == (2, 0.75)
    assert found["without_stream_ratio"] == 0.25
