"""`whimbrel rollout restart`, `scale`: pods come and go, clients stay."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from whimbrel.cli.controllers import Controllers
from whimbrel.cli.edge import EdgeGroup
from whimbrel.cli.options import Certificates, Controller, Data, Json

rollout = typer.Typer(
    cls=EdgeGroup, no_args_is_help=True, help="Rollouts: replace every pod of a role."
)


@rollout.command()
def restart(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="access, logic, router or push.")],
    surge: Annotated[
        int, typer.Option(min=1, max=100, help="New pods that start before old ones go.")
    ] = 1,
    controller: Controller = None,
    certificates: Certificates = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Replace every pod of a role by a new one, a few at a time.

    Returns when it is begun; `whimbrel drains --watch` shows how the Access pods empty.

    Example: whimbrel rollout restart access --surge 2
    """
    where = Controllers.of(controller, data, certificates)
    asyncio.run(_restart(role, surge, where, as_json=as_json))


def scale(
    wanted: Annotated[
        str, typer.Argument(metavar="ROLE=PODS", help="How many pods of which role.")
    ],
    controller: Controller = None,
    certificates: Certificates = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Set how many pods of a role there are.

    With fewer Access pods, those with the fewest sessions are emptied first and then removed. With
    more, the new ones get their share of the sessions within two minutes.

    Examples:

        whimbrel scale access=4

        whimbrel scale logic=2
    """
    role, equals, number = wanted.partition("=")
    if not (role and equals and number.isdecimal()):
        raise typer.BadParameter("write ROLE=PODS, as in access=4", param_hint="ROLE=PODS")
    where = Controllers.of(controller, data, certificates)
    asyncio.run(_scale(role, int(number), where, as_json=as_json))


# --- what they do ------------------------------------------------------------------------


async def _restart(role: str, surge: int, where: Controllers, *, as_json: bool) -> None:
    from whimbrel.api.drain.v1 import drain_pb2
    from whimbrel.cli.controllers import CALL_SECONDS, ask_leader

    request = drain_pb2.RestartRolloutRequest(role=role, surge=surge)
    answer = await ask_leader(
        where,
        # Not safe to repeat blindly, but a second rollout of the same pods harms nobody.
        lambda stub: stub.RestartRollout(request, timeout=CALL_SECONDS),
    )
    if as_json:
        typer.echo(json.dumps({"role": role, "revision": answer.revision}, indent=2))
    else:
        typer.echo(f"the {role} pods are being replaced by new ones, revision {answer.revision}")


async def _scale(role: str, replicas: int, where: Controllers, *, as_json: bool) -> None:
    from whimbrel.api.drain.v1 import drain_pb2
    from whimbrel.cli.controllers import CALL_SECONDS, ask_leader

    request = drain_pb2.ScaleRequest(role=role, replicas=replicas)
    answer = await ask_leader(
        where,
        lambda stub: stub.Scale(request, timeout=CALL_SECONDS),
    )
    leaving = list(answer.leaving_pod_ids)
    if as_json:
        row = {"role": role, "previous": answer.previous, "replicas": replicas}
        typer.echo(json.dumps({**row, "leaving": leaving}, indent=2))
        return
    typer.echo(f"{role}: {replicas} pods, {answer.previous} before")
    if leaving:
        typer.echo(f"{', '.join(leaving)} will be emptied and then go: `whimbrel drains --watch`")
