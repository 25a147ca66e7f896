"""`whimbrel drain`, `drains`: a pod empties, its clients stay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from whimbrel.cli.controllers import Controllers
from whimbrel.cli.edge import CommandError
from whimbrel.cli.options import Certificates, Controller, Data, Json

if TYPE_CHECKING:
    from whimbrel.api.drain.v1 import drain_pb2


def drain(
    pod: Annotated[
        str, typer.Argument(metavar="POD", help="The Access pod, as `whimbrel pods` names it.")
    ],
    deadline: Annotated[
        float,
        typer.Option(
            min=1, max=600, metavar="SECONDS", help="After so long, who is left is thrown out."
        ),
    ] = 60.0,
    abort: Annotated[
        bool, typer.Option("--abort", help="End the drain; the pod works again within 5 s.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Do it although it warns: no room, too little time.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Show the progress until the pod is empty.")
    ] = True,
    controller: Controller = None,
    certificates: Certificates = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Empty an Access pod: its clients move to others, and none of them notices.

    The pod takes no new clients from the start. When it is empty it stays so until it is removed,
    or until `--abort`. Ctrl-C ends the display, not the drain. Exit status 1 when clients had to
    be thrown out, or the drain was ended by somebody.

    Examples:

        whimbrel drain access-0

        whimbrel drain access-0 --deadline 120 --no-wait

        whimbrel drain access-0 --abort

        whimbrel drain access-7d9f8b6c5d-x2x4z --controller localhost:7400

        whimbrel drain access-7d9f8b6c5d-x2x4z --controller localhost:7400 --certificates operator
    """
    where = Controllers.of(controller, data, certificates)
    asyncio.run(
        _abort(pod, where, as_json=as_json)
        if abort
        else _drain(pod, deadline, where, force=force, wait=wait, as_json=as_json)
    )


def drains(
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it again after each change, until Ctrl-C.")
    ] = False,
    controller: Controller = None,
    certificates: Certificates = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show what is being drained and rebalanced, then the last 50 plans that ended.

    left: sessions still there. moved: to another pod, with no gap. forced: thrown out at the
    deadline. per s: moves that are granted now. With --watch --json each line is one object.

    Examples:

        whimbrel drains

        whimbrel drains --watch
    """
    where = Controllers.of(controller, data, certificates)
    asyncio.run(_watch(where, as_json=as_json) if watch else _list(where, as_json=as_json))


# --- what they do ------------------------------------------------------------------------


async def _drain(
    pod: str, deadline: float, where: Controllers, *, force: bool, wait: bool, as_json: bool
) -> None:
    from whimbrel.api.drain.v1 import drain_pb2
    from whimbrel.cli.controllers import CALL_SECONDS, ask_leader
    from whimbrel.cli.drain_view import plan_json, plan_line

    request = drain_pb2.StartDrainRequest(
        pod_id=pod, deadline_ms=round(deadline * 1000), force=force
    )
    answer = await ask_leader(where, lambda stub: stub.StartDrain(request, timeout=CALL_SECONDS))
    for warning in answer.warnings:
        typer.echo(f"warning: {warning}", err=True)
    plan = answer.plan
    if wait:
        plan = await _follow(where, plan, is_quiet=as_json)
    if as_json:
        typer.echo(json.dumps({**plan_json(plan), "warnings": list(answer.warnings)}, indent=2))
    elif not wait:
        typer.echo(plan_line(plan))
    if plan.outcome not in (0, drain_pb2.PLAN_OUTCOME_DONE):
        word = drain_pb2.PlanOutcome.Name(plan.outcome).removeprefix("PLAN_OUTCOME_").lower()
        raise CommandError(f"the drain of {pod} ended: {word}, {plan.remaining} sessions left")
    if plan.forced:
        raise CommandError(f"{plan.forced} clients of {pod} were thrown out at the deadline")


async def _follow(where: Controllers, plan: drain_pb2.Plan, *, is_quiet: bool) -> drain_pb2.Plan:
    """Show the plan until it has ended; the last state of it."""
    from rich.console import Console
    from rich.live import Live

    from whimbrel.cli.drain_view import plan_line

    console = Console(quiet=is_quiet, soft_wrap=True)
    with Live(plan_line(plan), console=console, auto_refresh=False) as live:
        async with aclosing(_views(where)) as views:  # type: ignore[type-var]
            async for plans in views:
                plan = next((one for one in plans.plans if one.plan_id == plan.plan_id), plan)
                live.update(plan_line(plan), refresh=True)
                if plan.outcome:
                    break
    return plan


async def _abort(pod: str, where: Controllers, *, as_json: bool) -> None:
    from whimbrel.api.drain.v1 import drain_pb2
    from whimbrel.cli.controllers import CALL_SECONDS, ask_leader
    from whimbrel.cli.drain_view import plan_json

    request = drain_pb2.AbortDrainRequest(pod_id=pod)
    answer = await ask_leader(
        where,
        lambda stub: stub.AbortDrain(request, timeout=CALL_SECONDS),
    )
    if as_json:
        typer.echo(json.dumps(plan_json(answer.plan), indent=2))
    else:
        typer.echo(f"{pod} works again; {answer.plan.moved} sessions had moved, and stay there")


async def _list(where: Controllers, *, as_json: bool) -> None:
    from rich.console import Console

    from whimbrel.cli.controllers import ask_leader, plans_of
    from whimbrel.cli.drain_view import plans_json, plans_table

    plans = await ask_leader(where, plans_of)
    if as_json:
        typer.echo(json.dumps(plans_json(plans), indent=2))
    elif plans.plans:
        Console(soft_wrap=True).print(plans_table(plans.plans))
    else:
        typer.echo("nothing is being drained, and nothing was")


async def _watch(where: Controllers, *, as_json: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    from whimbrel.cli.drain_view import plans_json, plans_table

    with Live(console=Console(quiet=as_json), auto_refresh=False) as live:
        async for plans in _views(where):
            if as_json:
                typer.echo(json.dumps(plans_json(plans)))
            else:
                live.update(plans_table(plans.plans), refresh=True)


async def _views(where: Controllers) -> AsyncIterator[drain_pb2.ListPlansResponse]:
    """The leader's plans after each change; the next leader's when it has gone."""
    import grpc

    from whimbrel.api.drain.v1 import drain_pb2
    from whimbrel.cli.controllers import watch_leader

    async with aclosing(watch_leader(where)) as leaders:  # type: ignore[type-var]
        async for stub in leaders:
            call = stub.WatchPlans(drain_pb2.WatchPlansRequest())
            try:
                async for answer in call:
                    if not answer.plans.leads:
                        break
                    yield answer.plans
            except grpc.aio.AioRpcError:
                continue
            finally:
                call.cancel()
