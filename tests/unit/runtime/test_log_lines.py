"""Every line is one JSON object that names its pod, whoever writes it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from whimbrel.runtime.logs import configure, get_logger
from whimbrel.runtime.settings import LogSettings


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_is_json_with_pod_module_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    log = get_logger("some.module")  # before configure, as at import
    configure(LogSettings(format="json"), "access-7")
    log.info("stream_closed", code="SHUTDOWN")
    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "stream_closed",
        "code": "SHUTDOWN",
        "level": "info",
        "module": "some.module",
        "pod": "access-7",
    }


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format="json", level="warning"), "access-7")
    get_logger("m").info("too_quiet")
    get_logger("m").warning("loud_enough")
    assert [line["event"] for line in lines(capsys)] == ["loud_enough"]


def test_libraries_write_the_same_shape_and_tracebacks_stay_in_their_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(LogSettings(format="json"), "access-7")
    logging.getLogger("library").info("chatter")
    try:
        int("reason")
    except ValueError:
        logging.getLogger("library").exception("it failed")
    (line,) = lines(capsys)
    assert (line["event"], line["pod"], line["logger"]) == ("it failed", "access-7", "library")
    assert "ValueError: invalid literal" in line["exception"]


def test_pretty_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format="pretty"), "access-7")
    get_logger("m").info("service_started")
    assert "service_started" in capsys.readouterr().out


def test_a_pretty_traceback_shows_no_local_variable(capsys: pytest.CaptureFixture[str]) -> None:
    configure(LogSettings(format="pretty"), "access-7")
    body = "what alice wrote"
    try:
        body.index("?")
    except ValueError:
        get_logger("some.module").exception("service_failed")
    shown = capsys.readouterr().out
    assert "ValueError" in shown
    assert body not in shown
