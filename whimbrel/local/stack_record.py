"""What other commands see of a stack, and what an earlier stack left behind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime

from whimbrel.local.children import Identity, end_processes
from whimbrel.local.errors import StackError
from whimbrel.local.keeper import Keeper
from whimbrel.local.parts import Plan
from whimbrel.local.state import DataFolder, PartRecord, StackRecord, boot_id

_LEFTOVERS_SECONDS = 10.0


class RecordOnDisk:
    """The record of a stack that lives, written again at each change."""

    def __init__(self, folder: DataFolder, plan: Plan) -> None:
        self._folder = folder
        self._endpoints = plan.endpoints
        self.record = StackRecord(
            supervisor=Identity.of(os.getpid()),
            boot_id=boot_id(),
            state="starting",
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            endpoints=list(plan.endpoints.values()),
            router_addresses=plan.router_addresses,
            mongo_url=plan.mongo_url,
            redis_url=plan.redis_url,
            gateway=plan.gateway_url,
            ca_file=plan.tls.ca_file,
            traces=plan.collector.query_url,
        )

    def become(self, state: str) -> None:
        """The stack as a whole is "starting", "healthy" or "stopping"."""
        self.record.state = state
        self._write()

    def part_changed(self, keeper: Keeper) -> None:
        """A part was started, has become healthy, has ended."""
        part = keeper.part
        self.record.parts[part.name] = PartRecord(
            role=part.role,
            address=part.address,
            log=str(part.log),
            state=str(keeper.state),
            pid=keeper.identity.pid,
            started=keeper.identity.started,
        )
        self._write()

    def pods_changed(self, keepers: Mapping[str, Keeper]) -> None:
        """These are all that there are: others are gone, and who stops takes no clients."""
        self.record.endpoints = [
            endpoint
            for name, endpoint in self._endpoints.items()
            if name in keepers and not keepers[name].is_stopping
        ]
        for name in set(self.record.parts) - set(keepers):
            del self.record.parts[name]
        self._write()

    def forget(self) -> None:
        """Nothing runs any more."""
        self._folder.forget_record()

    def _write(self) -> None:
        self._folder.write_record(self.record)


async def end_leftovers(folder: DataFolder) -> None:
    """A supervisor that was killed leaves children that are just dying: mongod must be gone
    before the next one opens its files. Raises StackError when they do not end."""
    record = folder.record()
    if record is None:
        return
    left = await end_processes(record.processes(), grace_seconds=_LEFTOVERS_SECONDS)
    if left:
        pids = ", ".join(str(one.pid) for one in left)
        raise StackError(f"processes of an earlier stack do not end: {pids}")
