"""The job encoding that Logic and push share."""

from __future__ import annotations

import pytest

from whimbrel.core.traceparent import TraceContext
from whimbrel.runtime.push_stream import StreamJob, decode_job, encode_job

JOB = StreamJob("bob", "d:alice:bob", "alice", (1 << 63) - 1, 1 << 53)


def as_redis_gives_it(fields: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in fields.items()}


def test_a_job_comes_out_as_it_went_in() -> None:
    assert decode_job(as_redis_gives_it(encode_job(JOB))) == JOB


def test_a_traced_job_keeps_its_trace_and_another_says_nothing_of_it() -> None:
    assert "traceparent" not in encode_job(JOB)
    traced = JOB._replace(traceparent=TraceContext(17, 4).traceparent)
    assert decode_job(as_redis_gives_it(encode_job(traced))) == traced


def test_a_field_of_a_newer_logic_is_ignored() -> None:
    fields = as_redis_gives_it(encode_job(JOB)) | {b"priority": b"high"}
    assert decode_job(fields) == JOB


@pytest.mark.parametrize("missing", ["user", "conversation", "sender", "message_id", "seq"])
def test_a_job_without_a_field_is_refused_by_name(missing: str) -> None:
    fields = encode_job(JOB)
    del fields[missing]
    with pytest.raises(ValueError, match=missing):
        decode_job(as_redis_gives_it(fields))


@pytest.mark.parametrize("seq", ["", "0", "-1", "1.5", "many", "²"])
def test_a_seq_that_is_none_is_refused(seq: str) -> None:
    fields = encode_job(JOB) | {"seq": seq}
    with pytest.raises(ValueError, match="seq"):
        decode_job(as_redis_gives_it(fields))


def test_bytes_that_are_no_text_are_refused() -> None:
    fields = as_redis_gives_it(encode_job(JOB)) | {b"user": b"\xff\xfe"}
    with pytest.raises(ValueError):
        decode_job(fields)


def test_a_mention_is_a_field_of_its_own_that_an_older_logic_does_not_write() -> None:
    mention = JOB._replace(mentions_user=True)
    assert decode_job(as_redis_gives_it(encode_job(mention))) == mention
    assert "mentions_user" not in encode_job(JOB)
