"""The plan is the seed's, a history survives its file, a picture is a picture."""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from tests.unit.soak.soak_history import BOB, delivered, healthy
from whimbrel.cli.app import app
from whimbrel.testing.soak.checker import Checker, check
from whimbrel.testing.soak.events import (
    Fault,
    HistoryError,
    Info,
    StoredCursor,
    StoredHead,
    StoredProblem,
    decode,
    encode,
    read_history,
)
from whimbrel.testing.soak.plan import Plan, SoakSpec, direct_of, members_of
from whimbrel.testing.soak.plot import draw
from whimbrel.testing.soak.recorder import Recorder


def test_the_same_seed_plans_the_same_and_another_seed_does_not() -> None:
    one, same, other = (Plan(SoakSpec(seed=seed)) for seed in (7, 7, 8))
    assert (one.devices, one.groups, one.deaf) == (same.devices, same.groups, same.deaf)
    assert list(islice(one.sends(), 200)) == list(islice(same.sends(), 200))
    assert one.groups != other.groups
    client = one.devices[0].client
    assert list(islice(one.absences(client), 5)) == list(islice(same.absences(client), 5))


def test_the_plan_keeps_its_rate_and_sends_within_its_groups() -> None:
    plan = Plan(SoakSpec(rate=200.0))
    sends = list(islice(plan.sends(), 4_000))
    assert sum(send.pause for send in sends) == pytest.approx(20.0, rel=0.1)
    assert len({send.id for send in sends}) == len(sends)
    for send in sends:
        assert send.client.partition("/")[0] in members_of(plan, send)
        assert 20 <= len(send.body) <= 60_000
        if send.group is None:
            assert direct_of(send).startswith("d:")
    assert any(send.group is not None for send in sends)


def test_without_client_faults_nobody_is_slow_deaf_or_restless() -> None:
    plan = Plan(SoakSpec(client_kinds=frozenset()))
    assert plan.deaf == []
    assert {(one.reader, one.is_restless) for one in plan.devices} == {("prompt", False)}


def test_a_history_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    events = [
        *healthy(),
        Info(7.0, "alice/phone", "x", "UNAVAILABLE"),
        Fault(7.0, "kill", "logic-0", 6.0, None),
        StoredHead(8.0, "bob", 5, (2, 3)),
        StoredCursor(8.0, "bob/phone", 5),
        StoredProblem(8.0, "lost", "102 was accepted and is not stored"),
    ]
    path = tmp_path / "history.jsonl"
    with Recorder(path) as recorder:
        for event in events:
            recorder.record(event)
    packed = tmp_path / "history.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_history(path)) == events
    assert list(read_history(packed)) == events
    assert recorder.verdict() == check(read_history(path))


def test_a_message_id_is_a_string_in_json() -> None:
    event = healthy()[-3]
    assert decode(encode(event)) == event
    delivered = next(event for event in healthy() if hasattr(event, "message_id"))
    assert '"message_id":"101"' in encode(delivered)


@pytest.mark.parametrize("line", ["", "{}", "nonsense", '{"type":"deliver"}', '{"type":"x"}', "3"])
def test_what_is_no_history_is_refused_with_a_sentence(line: str, tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="no line of a history"):
        decode(line)
    path = tmp_path / "bad.jsonl"
    path.write_text(line + "\n")
    result = CliRunner().invoke(app, ["soak", "--check", str(path)])
    assert result.exit_code == 1
    assert "cannot be judged" in result.output


def test_a_broken_promise_is_exit_status_1_with_what_proves_it(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    kept = [event for event in healthy() if event != delivered(5.11, BOB, 5)]
    path.write_text("".join(encode(event) + "\n" for event in kept))
    result = CliRunner().invoke(app, ["soak", "--check", str(path)])
    assert result.exit_code == 1
    assert "lost: bob/phone was never given message 105" in result.output
    assert '"type":"invoke"' in result.output
    assert "seed 7" in result.output
    assert str(path) in result.output


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_text(encode(healthy()[0]) + "\n" + encode(healthy()[1])[:20])
    assert list(read_history(path)) == healthy()[:1]


def test_the_picture_is_well_formed_and_marks_every_fault() -> None:
    checker = Checker()
    for event in healthy():
        checker.add(event)
    checker.add(Fault(7.0, "kill", "logic-<0>", 2.0, 3.0))
    checker.add(Fault(7.0, "stop", "access-0", 4.0, None))
    picture = ElementTree.fromstring(draw(checker.timing, "seed 7 & more"))
    told = [title.text or "" for title in picture.iter("{http://www.w3.org/2000/svg}title")]
    assert sum("kill of logic-<0>" in text for text in told) == 1
    assert sum("stop of access-0" in text for text in told) == 1
    ElementTree.fromstring(draw(Checker().timing, "nothing at all"))
