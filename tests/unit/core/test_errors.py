"""The codes of the core are the codes of the contract."""

from __future__ import annotations

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.core.errors import CloseCode, ErrorCode


def test_error_codes_are_those_of_the_contract() -> None:
    contract = {
        name.removeprefix("ERROR_CODE_"): number for name, number in types_pb2.ErrorCode.items()
    }
    assert contract.pop("UNSPECIFIED") == 0
    assert {code.name: code.value for code in ErrorCode} == contract


def test_close_codes_are_those_of_the_contract() -> None:
    contract = {
        name.removeprefix("CLOSE_CODE_"): number for name, number in access_pb2.CloseCode.items()
    }
    assert contract.pop("UNSPECIFIED") == 0
    assert {code.name: code.value for code in CloseCode} == contract


def test_a_close_code_alone_says_what_to_do() -> None:
    assert CloseCode.SHUTDOWN.reconnects
    assert CloseCode.SHUTDOWN.resumes
    assert CloseCode.SEQ_AHEAD.reconnects
    assert not CloseCode.SEQ_AHEAD.resumes
    assert not CloseCode.SUPERSEDED.reconnects


def test_an_empty_ping_frame_has_two_bytes() -> None:
    assert len(access_pb2.ConnectRequest(ping=access_pb2.Ping()).SerializeToString()) == 2
    assert len(access_pb2.ConnectResponse(pong=access_pb2.Pong()).SerializeToString()) == 2
