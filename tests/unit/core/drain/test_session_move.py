"""One session moves by the table of its machine, and is asked again when that may help."""

from __future__ import annotations

import pytest

from whimbrel.core.drain.session_move import (
    MOVES,
    IllegalMoveError,
    MoveEvent,
    MoveState,
    SessionMove,
)


def test_a_session_moves() -> None:
    move = SessionMove()
    move.advise("p1", ("b", "c"), 0.0)
    move.go()
    move.rose()
    assert move.state is MoveState.SWITCHED
    move.end()
    assert move.statistics() == (MoveState.GONE, 1, True, False)


def test_a_session_that_could_not_move_is_asked_again_with_other_targets() -> None:
    move = SessionMove()
    move.advise("p1", ("b", "c"), 0.0)
    move.cannot()
    assert move.state is MoveState.ATTACHED
    assert move.failed_targets == {"b", "c"}
    assert move.is_askable("p1", 1.0)
    move.advise("p1", ("d",), 1.0)
    move.go()
    move.rose()
    move.resume()
    assert move.failed_targets == {"b", "c", "d"}
    assert not move.statistics().was_moved
    move.abort()
    assert move.failed_targets == frozenset()


def test_a_deferral_holds_except_for_the_last_call() -> None:
    move = SessionMove()
    move.advise("p1", ("b",), 0.0)
    move.defer(30.0, 1.0)
    assert not move.is_askable("p1", 30.0)
    assert move.is_askable("p1", 31.0)
    assert move.is_askable("p1", 2.0, is_last_call=True)


def test_who_does_not_answer_is_asked_again_at_the_last_call_only() -> None:
    move = SessionMove()
    move.advise("p1", ("b",), 0.0)
    assert not move.is_askable("p1", 9.0)
    assert move.is_askable("p1", 9.0, is_last_call=True)
    assert move.is_askable("p2", 9.0), "another plan asks anew"
    move.go()
    assert not move.is_askable("p1", 9.0, is_last_call=True), "it is on its way"


@pytest.mark.parametrize("state", list(MoveState))
@pytest.mark.parametrize("event", list(MoveEvent))
def test_an_illegal_move_raises_and_changes_nothing(state: MoveState, event: MoveEvent) -> None:
    ways = {
        MoveState.ATTACHED: [],
        MoveState.ADVISED: [MoveEvent.ADVISE],
        MoveState.DEFERRED: [MoveEvent.ADVISE, MoveEvent.DEFER],
        MoveState.OVERLAP: [MoveEvent.ADVISE, MoveEvent.GO],
        MoveState.SWITCHED: [MoveEvent.ROSE],
        MoveState.FORCED: [MoveEvent.FORCE],
        MoveState.GONE: [MoveEvent.END],
    }
    move = SessionMove()
    for step in ways[state]:
        play(move, step)
    assert move.state is state
    before = move.statistics()
    if event in MOVES[state]:
        play(move, event)
        assert move.state is MOVES[state][event]
    else:
        with pytest.raises(IllegalMoveError):
            play(move, event)
        assert move.statistics() == before


def play(move: SessionMove, event: MoveEvent) -> None:
    if event is MoveEvent.ADVISE:
        move.advise("p", ("t",), 0.0)
    elif event is MoveEvent.DEFER:
        move.defer(1.0, 0.0)
    else:
        getattr(move, event.name.lower())()
