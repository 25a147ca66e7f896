"""Keeps the parts of a stack: starts them in layers, stops them in the reverse order.

It is the laptop's platform, as Kubernetes is the cluster's: it knows processes, ports and
health, and nothing of messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from whimbrel.local.errors import StackError
from whimbrel.local.keeper import Keeper
from whimbrel.local.part import Part, PartState


class Supervisor:
    """The owner of all keepers. `stop` must be awaited, whatever `start` did."""

    def __init__(
        self,
        *,
        restart: bool,
        changed: Callable[[Keeper], None],
        report: Callable[[str], None],
    ) -> None:
        self._restart = restart
        self._changed = changed
        self._report = report
        self._layers: list[list[Keeper]] = []
        self.keepers: dict[str, Keeper] = {}

    async def start(self, *layers: Sequence[Part]) -> None:
        """Start all of these together; raises the first StackError of them.

        They are stopped one layer after the other, the last one first.
        """
        keepers = []
        for parts in layers:
            layer = [self._keep(part) for part in parts]
            self._layers.append(layer)
            keepers += layer
        try:
            async with asyncio.TaskGroup() as tasks:
                for keeper in keepers:
                    tasks.create_task(keeper.start())
        # Not `except*`: what is raised in one is wrapped in a group again by early Python 3.11.
        except ExceptionGroup as group:
            refused, other = group.split(StackError)
            if refused is None or other is not None:
                raise
            raise _first(refused) from None

    def add(self, part: Part) -> Keeper:
        """A keeper for one more part, which is not started yet. It stops together with those of
        its role, or first of all when there are none."""
        layer = next(
            (one for one in self._layers if any(k.part.role == part.role for k in one)), None
        )
        keeper = self._keep(part)
        if layer is None:
            self._layers.append([keeper])
        else:
            layer.append(keeper)
        return keeper

    def remove(self, keeper: Keeper) -> None:
        """Forget one that has stopped for good."""
        assert keeper.state is PartState.STOPPED, "a process would be lost sight of"
        del self.keepers[keeper.part.name]
        for layer in self._layers:
            if keeper in layer:
                layer.remove(keeper)

    def keeper(self, name: str) -> Keeper:
        """The keeper of this part; raises StackError that names those there are."""
        try:
            return self.keepers[name]
        except KeyError:
            known = ", ".join(self.keepers)
            raise StackError(f"the stack has no {name!r}, it has: {known}") from None

    async def wait_healthy(self, timeout_seconds: float, *names: str) -> None:
        """Until every part, or each of these, is healthy; raises StackError that names those that
        are not. One that is being stopped for good is not waited for."""
        awaited = {name: self.keeper(name) for name in names or self.keepers}
        try:
            async with asyncio.timeout(timeout_seconds):
                for keeper in awaited.values():
                    await keeper.wait_healthy()
        except TimeoutError:
            late = [
                f"{name} ({keeper.state})"
                for name, keeper in awaited.items()
                if keeper.state is not PartState.HEALTHY and not keeper.is_stopping
            ]
            raise StackError(
                f"not healthy after {timeout_seconds:.0f} s: {', '.join(late)}"
            ) from None

    def _keep(self, part: Part) -> Keeper:
        keeper = Keeper(part, restart=self._restart, changed=self._changed, report=self._report)
        self.keepers[part.name] = keeper
        return keeper

    async def stop(self) -> None:
        """End every part, the last layer first. Cancelled, it kills what is left at once.

        Raises StackError when a process cannot be ended, after it has tried all of them.
        """
        failures: list[str] = []
        try:
            for layer in reversed(self._layers):
                failures += await _stop_all(layer)
        finally:
            for keeper in self.keepers.values():
                keeper.kill_now()
        if failures:
            raise StackError("; ".join(failures))


async def _stop_all(layer: Iterable[Keeper]) -> list[str]:
    outcomes = await asyncio.gather(*(keeper.stop() for keeper in layer), return_exceptions=True)
    failures = []
    for outcome in outcomes:
        if isinstance(outcome, StackError):
            failures.append(str(outcome))
        elif isinstance(outcome, BaseException):
            raise outcome
    return failures


def _first(group: ExceptionGroup[StackError]) -> StackError:
    for one in group.exceptions:
        return _first(one) if isinstance(one, ExceptionGroup) else one
    raise AssertionError("an exception group is never empty")
