"""What `whimbrel webhooks` asks of Logic and push pods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from whimbrel.cli.edge import CommandError
from whimbrel.cli.pod_calls import ask_pod, ask_pods
from whimbrel.core.errors import WhimbrelError

if TYPE_CHECKING:
    from whimbrel.api.push.v1 import webhooks_pb2, webhooks_pb2_grpc

T = TypeVar("T")

PAGE: Final = 500


async def show_pods(data: Path | None) -> dict[str, Any]:
    """What each Logic and each push pod says of webhooks, by role."""
    from google.protobuf.json_format import MessageToDict

    from whimbrel.api.logic.v1.host_pb2 import ShowHostRequest
    from whimbrel.api.logic.v1.host_pb2_grpc import HostServiceStub
    from whimbrel.api.push.v1.webhooks_pb2 import ShowDeliveryRequest
    from whimbrel.api.push.v1.webhooks_pb2_grpc import WebhookServiceStub

    asked = ask_pods("logic", data, HostServiceStub, lambda stub: stub.ShowHost, ShowHostRequest())
    told = ask_pods(
        "push", data, WebhookServiceStub, lambda stub: stub.ShowDelivery, ShowDeliveryRequest()
    )

    async def rows(answers: AsyncIterator[tuple[str, Any]]) -> list[dict[str, Any]]:
        return [
            {"pod_id": pod_id, "error": answer.detail}
            if isinstance(answer, WhimbrelError)
            else MessageToDict(
                answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
            )
            async for pod_id, answer in answers
        ]

    return {"logic": await rows(asked), "push": await rows(told)}


async def try_webhooks(data: Path | None, events_url: str, before_send_url: str) -> dict[str, Any]:
    """What came back of a test, by what was tested. Raises CommandError when nothing is."""
    from google.protobuf.json_format import MessageToDict

    from whimbrel.api.logic.v1.host_pb2 import TestBeforeSendRequest
    from whimbrel.api.logic.v1.host_pb2_grpc import HostServiceStub
    from whimbrel.api.push.v1.webhooks_pb2 import TestEventsRequest

    shown = await show_pods(data)
    tested: dict[str, Any] = {}
    if before_send_url or any("before_send" in pod for pod in shown["logic"]):
        question = TestBeforeSendRequest(url=before_send_url)
        tested["before_send"] = MessageToDict(
            await ask_pod(
                "logic", data, HostServiceStub, lambda stub: stub.TestBeforeSend, question
            ),
            preserving_proto_field_name=True,
        )
    if events_url or any(pod.get("origin") for pod in shown["push"]):
        event = TestEventsRequest(url=events_url)
        tested["events"] = MessageToDict(
            await ask_push(data, lambda stub: stub.TestEvents, event),
            preserving_proto_field_name=True,
        )
    if not tested:
        raise CommandError(
            "nobody is asked or told: give --events-url or --before-send-url, or set "
            "WHIMBREL_WEBHOOKS__EVENTS_URL or WHIMBREL_WEBHOOKS__BEFORE_SEND_URL"
        )
    return tested


async def resend_events(data: Path | None, event_ids: list[str]) -> int:
    """Dead letters wait again, all of them without ids; how many."""
    from whimbrel.api.push.v1 import webhooks_pb2 as pb

    if event_ids:
        pages = [event_ids[start : start + PAGE] for start in range(0, len(event_ids), PAGE)]
    else:
        pages, after = [], ""
        # All are listed before the first one waits again: what fails anew is dead again.
        while found := await list_events(data, pb.EVENT_STATE_DEAD, after, PAGE):
            pages.append([one.event_id for one in found])
            after = found[-1].event_id
    resent = 0
    for page in pages:
        request = pb.ResendEventsRequest(event_ids=page)
        resent += (await ask_push(data, lambda stub: stub.ResendEvents, request)).resent
    return resent


async def list_events(
    data: Path | None, state: webhooks_pb2.EventState.ValueType, after: str, limit: int
) -> list[webhooks_pb2.HostEvent]:
    """A page of events of one state."""
    from whimbrel.api.push.v1 import webhooks_pb2 as pb

    request = pb.ListEventsRequest(state=state, after=after, limit=limit)
    return list((await ask_push(data, lambda stub: stub.ListEvents, request)).events)


async def ask_push(
    data: Path | None,
    method: Callable[[webhooks_pb2_grpc.WebhookServiceStub], Callable[..., Awaitable[T]]],
    request: object,
) -> T:
    """The answer of the first push pod that gives one."""
    from whimbrel.api.push.v1.webhooks_pb2_grpc import WebhookServiceStub

    return await ask_pod("push", data, WebhookServiceStub, method, request)
