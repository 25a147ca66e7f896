"""`whimbrel webhooks`: what the host product is asked and told, and what came to nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from whimbrel.cli.edge import CommandError, EdgeGroup
from whimbrel.cli.options import Data, Json
from whimbrel.cli.pod_calls import ask_pod, ask_pods
from whimbrel.cli.webhook_view import lines_of_show, lines_of_test
from whimbrel.core.errors import WhimbrelError

if TYPE_CHECKING:
    from whimbrel.api.push.v1 import webhooks_pb2, webhooks_pb2_grpc

T = TypeVar("T")

_PAGE: Final = 500

webhooks = typer.Typer(
    cls=EdgeGroup,
    no_args_is_help=True,
    help="The host product's backend: what it is asked and told. Asks Logic and push pods.",
)

Limit = Annotated[int, typer.Option(min=1, max=_PAGE, help="At most so many.")]
After = Annotated[str, typer.Option(metavar="ID", help="Those above this one.")]


@webhooks.command()
def show(data: Data = None, as_json: Json = False) -> None:
    """Show what is configured and how it goes: breaker, what waits, dead letters, lag.

    Example: whimbrel webhooks show
    """
    shown = asyncio.run(_show(data))
    if as_json:
        print(json.dumps(shown))
        return
    print("\n".join(lines_of_show(shown)))


@webhooks.command("test")
def send_test(
    events_url: Annotated[
        str, typer.Option(metavar="URL", help="Tell this one. Default: the configured one.")
    ] = "",
    before_send_url: Annotated[
        str, typer.Option(metavar="URL", help="Ask this one. Default: the configured one.")
    ] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send one signed test event and one question before a send, and show what came back.

    The event has the type webhook.test; the question is about a message from whimbrel-test that
    nobody sent. Whatever is neither configured nor given is left out. Exit status 1 unless all
    that was tested works.

    Example: whimbrel webhooks test --events-url http://127.0.0.1:9000/events
    """
    tested = asyncio.run(_test(data, events_url, before_send_url))
    if as_json:
        print(json.dumps(tested))
    else:
        print("\n".join(lines_of_test(tested)))
    if not tested or any(one["outcome"] == "failed" for one in tested.values()):
        raise typer.Exit(1)


@webhooks.command()
def waiting(
    limit: Limit = 50,
    after: After = "",
    hurry: Annotated[
        bool, typer.Option("--now", help="Have those that wait for an attempt be tried now.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List events that wait for their delivery.

    Example: whimbrel webhooks waiting --now
    """
    from whimbrel.api.push.v1 import webhooks_pb2 as pb

    if hurry:
        hurried = asyncio.run(_ask(data, lambda stub: stub.HurryEvents, pb.HurryEventsRequest()))
        typer.echo(f"conversations that are tried now: {hurried.hurried}", err=True)
    _list(data, pb.EVENT_STATE_WAITING, after, limit, as_json=as_json)


@webhooks.command()
def dead(limit: Limit = 50, after: After = "", data: Data = None, as_json: Json = False) -> None:
    """List events that were never taken and are tried no more.

    Example: whimbrel webhooks dead --limit 10
    """
    from whimbrel.api.push.v1 import webhooks_pb2 as pb

    _list(data, pb.EVENT_STATE_DEAD, after, limit, as_json=as_json)


@webhooks.command()
def resend(
    event_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="As `webhooks dead` lists them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that there are.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Have dead letters wait again, once the backend is well.

    Each is tried at least once; one that fails is a dead letter again.

    Example: whimbrel webhooks resend --all
    """
    if bool(event_ids) == everything:
        raise typer.BadParameter("give ids, or --all")
    resent = asyncio.run(_resend(data, event_ids or []))
    print(json.dumps({"resent": resent}) if as_json else f"waiting again: {resent}")


async def _show(data: Path | None) -> dict[str, Any]:
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


async def _test(data: Path | None, events_url: str, before_send_url: str) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    from whimbrel.api.logic.v1.host_pb2 import TestBeforeSendRequest
    from whimbrel.api.logic.v1.host_pb2_grpc import HostServiceStub
    from whimbrel.api.push.v1.webhooks_pb2 import TestEventsRequest

    shown = await _show(data)
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
            await _ask(data, lambda stub: stub.TestEvents, event), preserving_proto_field_name=True
        )
    if not tested:
        raise CommandError(
            "nobody is asked or told: give --events-url or --before-send-url, or set "
            "WHIMBREL_WEBHOOKS__EVENTS_URL or WHIMBREL_WEBHOOKS__BEFORE_SEND_URL"
        )
    return tested


def _list(
    data: Path | None,
    state: webhooks_pb2.EventState.ValueType,
    after: str,
    limit: int,
    *,
    as_json: bool,
) -> None:
    events = asyncio.run(_events(data, state, after, limit))
    rows = [
        {
            "event_id": one.event_id,
            "key": one.key,
            "at_ms": str(one.at_ms),
            "attempts": one.attempts,
            "due_ms": str(one.due_ms),
        }
        for one in events
    ]
    if as_json:
        print(json.dumps({"events": rows}))
        return
    for row in rows:
        failed = f"  failed {row['attempts']} times" if row["attempts"] else ""
        print(f"{row['event_id']}  {row['key']}{failed}")
    if len(rows) == limit:
        print(f"more: --after {rows[-1]['event_id']}")
    elif not rows:
        print("none")


async def _resend(data: Path | None, event_ids: list[str]) -> int:
    from whimbrel.api.push.v1 import webhooks_pb2 as pb

    if event_ids:
        pages = [event_ids[start : start + _PAGE] for start in range(0, len(event_ids), _PAGE)]
    else:
        pages, after = [], ""
        # All are listed before the first one waits again: what fails anew is dead again.
        while found := await _events(data, pb.EVENT_STATE_DEAD, after, _PAGE):
            pages.append([one.event_id for one in found])
            after = found[-1].event_id
    resent = 0
    for page in pages:
        request = pb.ResendEventsRequest(event_ids=page)
        resent += (await _ask(data, lambda stub: stub.ResendEvents, request)).resent
    return resent


async def _events(
    data: Path | None, state: webhooks_pb2.EventState.ValueType, after: str, limit: int
) -> list[webhooks_pb2.HostEvent]:
    from whimbrel.api.push.v1 import webhooks_pb2 as pb

    request = pb.ListEventsRequest(state=state, after=after, limit=limit)
    return list((await _ask(data, lambda stub: stub.ListEvents, request)).events)


async def _ask(
    data: Path | None,
    method: Callable[[webhooks_pb2_grpc.WebhookServiceStub], Callable[..., Awaitable[T]]],
    request: object,
) -> T:
    from whimbrel.api.push.v1.webhooks_pb2_grpc import WebhookServiceStub

    return await ask_pod("push", data, WebhookServiceStub, method, request)
