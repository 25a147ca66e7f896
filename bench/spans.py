"""What the spans of one message cost: `python -m bench.spans`.

Every span that the services record of a direct message, made one message at a time by the code
that makes them there, in one process, and sent to a collector in another. That is the dearest
case: batches are shared by nobody. CPU of the process, threads included.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from services.access.delivery_traces import DeliveryTraces
from services.access.frames import Item
from services.access.pending import PendingSend
from services.access.send_traces import SendTraces
from services.logic.adapters.message_traces_otel import OtelMessageTraces
from services.logic.domain.model import Answer, ClientKey, StoredMessage
from whimbrel.api.logic.v1 import logic_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.local.cluster import is_serving
from whimbrel.local.ports import Ports
from whimbrel.runtime.settings import PodSettings
from whimbrel.runtime.tracing import Tracing, open_tracing
from whimbrel.runtime.tracing_settings import TracingSettings

MESSAGES: Final = 3_000
AT_ONCE: Final = 15
PAUSE_SECONDS: Final = 0.02
"""After so many messages: 750 a second, so that the exports keep up and nothing is dropped."""
START_SECONDS: Final = 20.0
CONVERSATION: Final = "d:alice:bob"


class _Stream:
    """As much of a recipient's stream as is followed."""

    def __init__(self) -> None:
        self.traced: dict[int, Any] = {}
        self.arrived_at: float | None = None


class _Pods:
    """What the sender's pod, Logic and the recipient's pod record."""

    def __init__(self, tracing: Tracing) -> None:
        self._sends = SendTraces(
            tracing, TracingSettings(ratio=1.0), clock=time.monotonic, dice=lambda: 0.0
        )
        self._logic = OtelMessageTraces(tracing)
        self._deliveries = DeliveryTraces(tracing)
        self._stream: Any = _Stream()

    def message(self, number: int, owner: Any) -> None:
        """One message, from its receipt to the ack of its recipient."""
        now = time.monotonic()
        sent = self._sends.begin("", now)
        assert sent is not None
        self._sends.linked([sent], now)
        taken = self._logic.begin(sent.context.traceparent)
        assert taken is not None
        self._logic.checked([taken], now, now)
        self._logic.answered(taken, CONVERSATION, Answer(number, 1))
        self._logic.committed([taken], now, now, messages=1, entries=2)
        message = StoredMessage(
            number,
            ClientKey("alice", "d", "m"),
            CONVERSATION,
            ("alice", "bob"),
            1,
            b"",
            0,
            b"",
            traceparent=taken.context.traceparent,
        )
        self._logic.fanned_out([message], now, now, batch=1)
        self._sends.accepted(PendingSend(owner, "m", CONVERSATION, sent), number, now)
        delivery = logic_pb2.Delivery(
            message=types_pb2.Message(message_id=number), traceparent=message.traceparent
        )
        parent = self._deliveries.arrived(delivery, now)
        assert parent is not None
        item = Item(number, None, False, self._deliveries.offered(parent, number, now))
        self._deliveries.written(self._stream, [item], now)
        self._deliveries.acknowledged(self._stream, number, now)


@asynccontextmanager
async def _collector() -> AsyncIterator[str]:
    ports = Ports()
    grpc_port, http_port = ports.take(()), ports.take(())
    address = f"127.0.0.1:{grpc_port}"
    environment = {
        **os.environ,
        "WHIMBREL_POD__LISTEN": address,
        "WHIMBREL_HTTP_LISTEN": f"127.0.0.1:{http_port}",
    }
    ports.close()
    command = (sys.executable, "-m", "whimbrel.local.traces")
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await is_serving(address):
                await asyncio.sleep(0.05)
        yield f"http://{address}"
    finally:
        process.terminate()
        await process.wait()


async def measure() -> dict[str, float]:
    """Microseconds of CPU for the spans of one message: on the event loop, and in all."""
    async with _collector() as url, open_tracing(url, "bench", PodSettings(id="bench")) as tracing:
        pods = _Pods(tracing)
        process, loop = time.process_time(), time.thread_time()
        for number in range(1, MESSAGES + 1):
            pods.message(number, None)
            if number % AT_ONCE == 0:
                await asyncio.sleep(PAUSE_SECONDS)
        on_loop = time.thread_time() - loop
        tracing.flush()
        in_all = time.process_time() - process
    return {
        "loop_us_per_message": round(on_loop / MESSAGES * 1e6, 1),
        "all_us_per_message": round(in_all / MESSAGES * 1e6, 1),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure())))  # noqa: T201 - its output
