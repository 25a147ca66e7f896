"""Bytes that a client sends on its stream, and that Logic sends on its link, to an Access pod."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from services.access.refusals import StreamRefusedError
from services.access.rules import frame_kind
from tests.fuzz.bytes.fuzzed_pod import SETTINGS, FuzzedPod
from tests.fuzz.bytes.records import split
from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.logic.v1 import logic_pb2

CLIENT, LOGIC, TIME = 0, 1, 2
"""Tags of records, modulo 3. TIME: its length in bytes is the time that passes, in 100 ms."""
MAX_RECORDS = 64


def fuzz_frames(data: bytes) -> None:
    """One stream from its first frame to its end. What is malformed ends it by the protocol."""
    pod = FuzzedPod()
    try:
        for number, (tag, payload) in enumerate(split(data)):
            if number >= MAX_RECORDS or pod.is_over:
                break
            if tag % 3 == TIME:
                pod.pass_time(len(payload) / 10)
            elif tag % 3 == LOGIC:
                _hear(pod, payload)
            else:
                _say(pod, payload)
            pod.read()
            _check(pod)
    except StreamRefusedError:
        pass
    pod.leave()


def _say(pod: FuzzedPod, payload: bytes) -> None:
    try:
        frame = access_pb2.ConnectRequest.FromString(payload)
    except DecodeError:
        return  # gRPC ends the stream
    if pod.stream.is_attached:
        pod.say(frame)
    elif frame_kind(frame) == "hello":
        pod.attach(frame.hello)


def _hear(pod: FuzzedPod, payload: bytes) -> None:
    try:
        response = logic_pb2.LinkResponse.FromString(payload)
    except DecodeError:
        return
    pod.hear(response)


def _check(pod: FuzzedPod) -> None:
    """What holds whatever anybody says."""
    session = pod.stream.session
    window = session.statistics().window
    assert session.cursor <= session.written
    assert window.in_flight_messages <= SETTINGS.window_messages
    assert window.in_flight_messages <= 1 or window.in_flight_bytes <= SETTINGS.window_bytes
    assert pod.stream.unanswered >= 0
