"""What a bench of messages measures: a stack of its own, two at once, or a cluster that runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from bench.run import Workload
    from bench.terms import Terms
    from whimbrel.local.stack_spec import StackSpec

_EXPORT_DELAY_MS: Final = "5000"
"""Between two exports, as in a cluster: a stack on one machine exports 5 times a second, which
costs more than the spans."""


def stack_of(access: int, logic: int, trace_ratio: float | None = None) -> StackSpec:
    """The stack that a bench starts. `trace_ratio`: the share that is traced; None: nothing is."""
    from whimbrel.local.stack_spec import StackSpec

    if trace_ratio is None:
        return StackSpec(access=access, logic=logic, gateway=0)
    return StackSpec(
        access=access,
        logic=logic,
        gateway=0,
        trace=True,
        trace_ratio=trace_ratio,
        environment={"OTEL_BSP_SCHEDULE_DELAY": _EXPORT_DELAY_MS},
    )


async def on_own_stack(workload: Workload, terms: Terms, spec: StackSpec) -> dict[str, Any]:
    """The figures of a stack that is there for this alone."""
    from bench.throughput import measure_alone
    from whimbrel.local.stack import Stack

    terms.say("starting a stack …")
    async with Stack.start(spec) as stack:
        return await measure_alone(workload, stack, terms)


async def on_two_stacks(workload: Workload, terms: Terms, spec: StackSpec) -> dict[str, Any]:
    """The figures of a stack that traces, beside one that does not."""
    from bench.tracing_cost import measure_cost

    return await measure_cost(spec, workload, terms)


async def on_cluster(
    workload: Workload, terms: Terms, endpoints: list[str], secret_file: str | None
) -> dict[str, Any]:
    """The figures of a cluster that runs; its CPU is not known."""
    import time

    from bench.run import Target
    from bench.throughput import repeat
    from whimbrel.runtime.token_keys import key_of
    from whimbrel.runtime.tokens import sign_token

    if secret_file is None:
        raise typer.BadParameter("--endpoint needs --secret-file, to sign the users' tokens")
    key = key_of(Path(secret_file))

    def token_of(user: str) -> str:
        return sign_token(key, user, 3600, now=time.time())

    return await repeat(workload, Target(endpoints, token_of, dict), terms, "bench")
