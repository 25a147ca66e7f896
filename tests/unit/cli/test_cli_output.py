"""What the command prints for programs, and how errors become sentences."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from whimbrel.api.router.v1 import router_pb2
from whimbrel.cli.app import app
from whimbrel.cli.edge import _sentence
from whimbrel.cli.talk import event_json, handled, shown
from whimbrel.client import ConnectionClosed, MessageEvent
from whimbrel.core.errors import CloseCode, ErrorCode, WhimbrelError
from whimbrel.core.outgoing import BodyKind
from whimbrel.local.children import Identity
from whimbrel.local.cluster import pod_json
from whimbrel.local.state import DataFolder, PartRecord, StackRecord, boot_id
from whimbrel.runtime.token_keys import read_key_set


def event(kind: BodyKind = BodyKind.TEXT, conversation: str = "d:alice:bob") -> MessageEvent:
    return MessageEvent(
        seq=2**53 + 1,
        message_id=2**63 - 1,
        conversation_id=conversation,
        sender_id="alice",
        sender_device_id="cli-send",
        client_message_id="m-1",
        kind=kind,
        body="héllo".encode(),
        sent_at_ms=1,
        late=True,
    )


def test_64_bit_numbers_are_strings_in_json() -> None:
    assert json.loads(json.dumps(event_json(event()))) == {
        "seq": "9007199254740993",
        "message_id": "9223372036854775807",
        "conversation_id": "d:alice:bob",
        "sender_id": "alice",
        "sender_device_id": "cli-send",
        "client_message_id": "m-1",
        "text": "héllo",
        "body_hex": None,
        "sent_at_ms": "1",
        "late": True,
        "media_id": None,
    }


def test_a_body_that_is_no_text_is_hexadecimal() -> None:
    row = event_json(event(BodyKind.ENCRYPTED))
    assert row["text"] is None
    assert bytes.fromhex(row["body_hex"]) == "héllo".encode()


def test_a_line_for_people_says_who_where_and_what() -> None:
    assert shown(event()) == "alice (late): héllo"
    assert shown(event(conversation="g:1")) == "alice in g:1 (late): héllo"
    assert shown(event(BodyKind.BYTES)) == "alice (late): (6 bytes)"


def test_status_json_has_every_part(tmp_path: Path) -> None:
    me = Identity.of(os.getpid())
    part = PartRecord("access", "127.0.0.1:21001", "/log", "healthy", 7, 8)
    record = StackRecord(
        me,
        boot_id(),
        "healthy",
        "2026-01-01T00:00:00+00:00",
        ["127.0.0.1:21001"],
        "127.0.0.1:21002",
        "mongodb://m",
        "redis://r",
        "http://127.0.0.1:21003",
        {"access-0": part},
    )
    DataFolder(tmp_path).write_record(record)
    result = CliRunner().invoke(app, ["status", "--json", "--data", str(tmp_path)])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "state": "healthy",
        "started_at": "2026-01-01T00:00:00+00:00",
        "pid": me.pid,
        "endpoints": ["127.0.0.1:21001"],
        "gateway": "http://127.0.0.1:21003",
        "traces": "",
        "router_addresses": "127.0.0.1:21002",
        "mongo_url": "mongodb://m",
        "redis_url": "redis://r",
        "ca_file": "",
        "parts": {
            "access-0": {
                "role": "access",
                "address": "127.0.0.1:21001",
                "log": "/log",
                "state": "healthy",
                "pid": 7,
            }
        },
    }


def test_a_pod_is_plain_words() -> None:
    pod = router_pb2.Pod(
        pod_id="access-0",
        incarnation="i",
        role=router_pb2.POD_ROLE_ACCESS,
        address="a:1",
        client_endpoint="c:1",
        revision="r",
        state=router_pb2.POD_STATE_DRAINING,
        sessions=3,
    )
    assert pod_json(pod) == {
        "pod": "access-0",
        "role": "access",
        "state": "draining",
        "address": "a:1",
        "endpoint": "c:1",
        "sessions": 3,
        "revision": "r",
        "incarnation": "i",
        "process_of": "",
    }


def test_a_token_is_signed_with_the_stacks_own_key(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.ensure_secret()
    line = ["token", "alice", "--ttl", "60", "--data", str(tmp_path)]
    result = CliRunner().invoke(app, line)
    public = read_key_set(folder.keys_file, private=False)[0].material
    claims = jwt.decode(result.stdout.strip(), public, algorithms=["EdDSA"])
    assert claims["sub"] == "alice"
    assert claims["exp"] - claims["iat"] == pytest.approx(60, abs=1)


def test_a_name_that_no_user_can_have_is_refused(tmp_path: Path) -> None:
    DataFolder(tmp_path).ensure_secret()
    result = CliRunner().invoke(app, ["token", "al ice", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "INVALID_ARGUMENT" in result.stderr


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (WhimbrelError(ErrorCode.TOKEN_EXPIRED, "expired"), ["expired", "`whimbrel token USER`"]),
        (WhimbrelError(ErrorCode.NOT_A_MEMBER, "not in it"), ["not in it", "NOT_A_MEMBER"]),
        (
            WhimbrelError(ErrorCode.UNAVAILABLE, "away", outcome_unknown=True),
            ["away", "may have been sent all the same"],
        ),
        (ConnectionClosed(CloseCode.SUPERSEDED, "another"), ["ended the session", "SUPERSEDED"]),
        (
            ExceptionGroup("tasks", [WhimbrelError(ErrorCode.OVERLOADED, "full")]),
            ["full", "try again later"],
        ),
    ],
)
def test_an_error_of_the_sdk_is_a_sentence(error: Exception, parts: list[str]) -> None:
    sentence = _sentence(error) or ""
    for part in parts:
        assert part in sentence
    assert "\n" not in sentence


def test_what_nobody_expected_keeps_its_traceback() -> None:
    assert _sentence(ZeroDivisionError()) is None


def test_a_missing_extra_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    DataFolder(tmp_path).ensure_secret()
    monkeypatch.delitem(sys.modules, "whimbrel.runtime.tokens", raising=False)
    monkeypatch.setitem(sys.modules, "jwt", None)
    result = CliRunner().invoke(app, ["token", "alice", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "jwt" in result.stderr
    assert "pip install 'whimbrel[server,local]'" in result.stderr


async def test_the_last_event_is_handled_before_leaving() -> None:
    asked = 0

    class Events:
        def __aiter__(self) -> Events:
            return self

        async def __anext__(self) -> MessageEvent:
            nonlocal asked
            asked += 1
            raise StopAsyncIteration

    await handled(Events())
    assert asked == 1
