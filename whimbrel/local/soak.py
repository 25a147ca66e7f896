"""Runs a soak: joins the stack, the nemesis and the workload, and puts everything on record.

    stack up ──▶ clients come ──▶ load and faults ──▶ healed ──▶ settled ──▶ stores looked at

It decides nothing: the checker does. It always ends, at most 60 s after the load was to end,
unless a part of the stack cannot be brought back (that raises StackError).
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pymongo import AsyncMongoClient

from whimbrel.local.errors import StackError, make_folder
from whimbrel.local.faketime import find_faketime
from whimbrel.local.nemesis import KINDS, FaultEvent, Nemesis, endpoints_for_clients, kinds_of
from whimbrel.local.stack import Stack, StackSpec
from whimbrel.runtime.token_keys import Key
from whimbrel.runtime.tokens import sign_token
from whimbrel.testing.soak.device import Target
from whimbrel.testing.soak.events import Fault, Phase, Run
from whimbrel.testing.soak.final_look import look_into
from whimbrel.testing.soak.plan import CLIENT_KINDS, Plan, SoakSpec
from whimbrel.testing.soak.plot import draw
from whimbrel.testing.soak.recorder import Recorder
from whimbrel.testing.soak.verdict import HEADS_SECONDS, Verdict
from whimbrel.testing.soak.workload import Workload

ALL_KINDS = (*KINDS, *CLIENT_KINDS)
EXTRA_SECONDS = 60.0
_STOP_SECONDS = 8.0
"""Of the 60, kept for stopping the stack."""
_HOLES_SECONDS = 15.0
"""After the last fault, until the stores must be without holes (promise 2)."""
_TOKEN_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs already."""

    endpoints: tuple[str, ...]
    key: Key
    """What its tokens are signed with."""


@dataclass(frozen=True)
class Order:
    """What to run. `kinds` are out of ALL_KINDS; "all" are those that are possible."""

    spec: SoakSpec
    kinds: frozenset[str]
    folder: Path
    """For the history, the picture, the clients' stores and the stack's data."""
    mongo_members: int = 1
    cluster: Cluster | None = None
    """None: a stack of its own."""


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    verdict: Verdict
    history: Path
    plot: Path
    unsaid: int
    """Planned messages whose device was away at their time."""


class Soak:
    """One run; `recorder` and `phase` may be looked at meanwhile, from the same loop."""

    def __init__(self, order: Order, say: Callable[[str], None]) -> None:
        """Raises StackError for kinds that cannot be."""
        self.phase = "starting"
        self.faults_now: dict[tuple[str, str, float], str] = {}
        unknown = order.kinds - {*ALL_KINDS, "all"}
        if unknown:
            raise StackError(
                f"there is no fault {', '.join(sorted(unknown))}; there are {', '.join(ALL_KINDS)}"
            )
        if order.cluster is not None and order.kinds & set(KINDS):
            raise StackError(
                "with --endpoint only the clients make trouble: "
                f"--faults all, none or some of {', '.join(CLIENT_KINDS)}"
            )
        client_kinds = set(CLIENT_KINDS) if "all" in order.kinds else order.kinds
        spec = replace(order.spec, client_kinds=frozenset(client_kinds) & set(CLIENT_KINDS))
        if order.cluster is not None:  # others are there: all names have to be new
            spec = replace(spec, prefix=f"soak-{secrets.token_hex(4)}-")
        self._order = replace(order, spec=spec)
        self._say = say
        make_folder(order.folder)
        self.history = order.folder / "history.jsonl"
        self.recorder = Recorder(self.history)

    async def run(self) -> Outcome:
        """Run all of it. Raises StackError, and OSError of the folder."""
        order, recorder = self._order, self.recorder
        recorder.record(Run(recorder.now(), order.spec.seed, self._settings()))
        unsaid = 0
        with recorder, suppress(TimeoutError):
            async with asyncio.timeout(self._limit()) as end, self._target() as (target, stack):
                unsaid = await self._play(target, stack, end)
                recorder.record(Phase(recorder.now(), "end"))
                self.phase = "stopping"
        verdict = recorder.checker.verdict()
        plot = order.folder / "latency.svg"
        title = f"whimbrel soak, seed {order.spec.seed}: delivery latency and faults"
        plot.write_text(draw(recorder.checker.timing, title))
        if verdict.holds:
            for name in ("stack", "clients"):
                await asyncio.to_thread(shutil.rmtree, order.folder / name, ignore_errors=True)
        return Outcome(verdict, self.history, plot, unsaid)

    def _limit(self) -> float:
        """Of the coming and, from its begin on, of the load with what follows."""
        return self._order.spec.seconds + EXTRA_SECONDS - _STOP_SECONDS

    async def _play(self, target: Target, stack: Stack | None, end: asyncio.Timeout) -> int:
        order, recorder = self._order, self.recorder
        stores = make_folder(order.folder / "clients")
        workload = Workload(Plan(order.spec), target, recorder, stores)
        self.phase = "clients come"
        async with workload.attached():
            self.phase = "load"
            end.reschedule(asyncio.get_running_loop().time() + self._limit())
            async with asyncio.TaskGroup() as tasks:
                stop = asyncio.Event()
                if stack is not None:
                    tasks.create_task(self._nemesis(stack, stop))
                tasks.create_task(workload.talk(stop))
                await asyncio.sleep(order.spec.seconds)
                stop.set()
                self.phase = "healing"
            self.phase = "settling"
            healed = recorder.now()
            await workload.settle(HEADS_SECONDS)
        if stack is not None:
            self.phase = "looking into the stores"
            client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(stack.mongo_url)
            try:
                patience = _HOLES_SECONDS - (recorder.now() - healed)
                await look_into(client.whimbrel, recorder, patience)
            finally:
                await client.close()
        return workload.unsaid

    async def _nemesis(self, stack: Stack, stop: asyncio.Event) -> None:
        chosen = self._order.kinds
        kinds = kinds_of(stack) if "all" in chosen else tuple(k for k in KINDS if k in chosen)
        if kinds:
            nemesis = Nemesis(stack, kinds=kinds, seed=self._order.spec.seed)
            await nemesis.run(self._note_fault, stop)

    def _note_fault(self, event: FaultEvent) -> None:
        now = self.recorder.now()
        self.recorder.record(Fault(now, event.kind, event.target, event.started, event.ended))
        key = event.kind, event.target, event.started
        if event.ended is None:
            self.faults_now[key] = f"{event.kind} {event.target}"
        else:
            self.faults_now.pop(key, None)

    @asynccontextmanager
    async def _target(self) -> AsyncIterator[tuple[Target, Stack | None]]:
        cluster = self._order.cluster
        if cluster is not None:
            key = cluster.key

            def token_of(user: str) -> str:
                return sign_token(key, user, _TOKEN_SECONDS, now=time.time())

            yield Target(lambda: cluster.endpoints, token_of), None
            return
        async with Stack.start(self._stack_spec(), progress=self._say) as stack:
            yield Target(lambda: endpoints_for_clients(stack), stack.token), stack

    def _stack_spec(self) -> StackSpec:
        kinds = self._order.kinds
        everything = "all" in kinds
        return StackSpec(
            access=2,
            logic=2,
            gateway=0,
            data=self._order.folder / "stack",
            mongo_members=self._order.mongo_members,
            # Clients that are away during a rollout come back to addresses that still lead
            # somewhere, as they do behind the name of a Service.
            proxied=everything
            or any(kind.startswith("net-") or kind in ("drain", "rollout") for kind in kinds),
            clocks="clock" in kinds or (everything and find_faketime() is not None),
        )

    def _settings(self) -> dict[str, object]:
        order = self._order
        return {
            **order.spec.as_json(),
            "faults": sorted(order.kinds),
            "mongo_members": order.mongo_members,
            "own_stack": order.cluster is None,
        }
