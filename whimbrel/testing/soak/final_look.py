"""After a soak: what the stores themselves say, put into the history.

A hole may live for 5 s once a reader waits for it, and for 15 s after a crash (promise 2), so it
looks again until nothing is wrong or the time for that is over.
"""

from __future__ import annotations

import asyncio
from typing import Any

from whimbrel.testing.soak.events import StoredCursor, StoredHead, StoredProblem
from whimbrel.testing.soak.recorder import Recorder
from whimbrel.testing.timeline_check import TimelineReport, check_database

_POLL_SECONDS = 0.5


async def look_into(database: Any, recorder: Recorder, patience_seconds: float) -> TimelineReport:
    """Read everything from `database` (pymongo, asynchronous, of this run alone) and record what
    is there. Raises what the driver raises."""
    checker = recorder.checker
    accepted = list(checker.sent)
    until = recorder.now() + patience_seconds
    report = await check_database(database, accepted)
    while report.found and recorder.now() < until:
        await asyncio.sleep(_POLL_SECONDS)
        report = await check_database(database, accepted)
    now = recorder.now()
    for problem in report.found:
        if problem.kind != "holes":
            recorder.record(StoredProblem(now, problem.kind, problem.text))
    for user, head in sorted(report.heads.items()):
        recorder.record(StoredHead(now, user, head, tuple(report.holes.get(user, ()))))
    rows = await database.cursors.find({}, {"cursor": True}).to_list(None)
    stored = {row["_id"]: row["cursor"] for row in rows}
    for client in checker.confirmed_cursors():
        recorder.record(StoredCursor(now, client, stored.get(client, 0)))
    return report
