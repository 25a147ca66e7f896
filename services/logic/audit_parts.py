"""The auditor of one Logic pod: what it looks at, how it is shown, its task."""

from __future__ import annotations

import time
from typing import Final

from services.logic.adapters.audit_mongo import MongoAuditTurn, MongoMessageOutlines
from services.logic.metrics import audit_metrics
from services.logic.parts import Stores
from services.logic.settings import AuditSettings
from services.logic.usecases.audit_timelines import AuditTimelines
from services.logic.usecases.run_audit import RunAudit
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.stores import Database

BACKGROUND_PLACES: Final = 1_000
"""Of a page: both participants of 500 direct messages, and ten queries. What a group of 1,000 has
said would be a hundred queries every 2 s, beside those who talk."""


def start_audit(
    settings: AuditSettings, chassis: Chassis, stores: Stores, database: Database
) -> None:
    """Its figures are there from now on, and it runs unless it is told to look at nobody."""
    audit = RunAudit(
        AuditTimelines(
            stores.timelines,
            stores.cursors,
            MongoMessageOutlines(database),
            max_places=BACKGROUND_PLACES,
        ),
        MongoAuditTurn(database),
        stores.history.conversations,
        settings,
        holder=f"{chassis.pod_id}/{chassis.incarnation}",
        clock=time.monotonic,
        wall_ms=lambda: time.time_ns() // 1_000_000,
    )
    chassis.metrics.add(lambda: audit_metrics(audit.statistics()))
    if settings.users_per_minute:
        chassis.spawn(audit.run(), "audit")
