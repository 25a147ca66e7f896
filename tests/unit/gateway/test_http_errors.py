"""Refusals over HTTP: each has a status, and the system's name is one for both services."""

from __future__ import annotations

from services.gateway.domain.accounts import SYSTEM_USER
from services.gateway.errors import HTTP_STATUS_OF
from services.logic.usecases import say
from whimbrel.core.errors import ErrorCode


def test_every_code_has_a_status() -> None:
    assert set(HTTP_STATUS_OF) == set(ErrorCode)
    assert all(400 <= status < 600 for status in HTTP_STATUS_OF.values())


def test_the_gateway_keeps_the_name_that_logic_speaks_under() -> None:
    assert SYSTEM_USER == say.SYSTEM_USER
