"""When the caller wants notifications without sound."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, StringConstraints

from services.gateway.caller import Caller
from services.gateway.domain.accounts import QuietHours, is_time_zone
from services.gateway.fields import RequestBody
from services.gateway.parts import PartsDep
from whimbrel.core.errors import ErrorCode, WhimbrelError

router = APIRouter(prefix="/v1/quiet-hours", tags=["devices"])

ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""HH:MM of the user's own clock."""


def _known(name: str) -> str:
    if not is_time_zone(name):
        raise ValueError("no time zone of the IANA database")
    return name


TimeZone = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_+\-]{1,32}(/[A-Za-z0-9_+\-]{1,32}){0,2}$"),
    AfterValidator(_known),
]


class QuietHoursChange(RequestBody):
    """Quiet hours as they are to be."""

    starts: ClockTime
    ends: ClockTime
    """Before `starts`: on the next day."""
    time_zone: TimeZone
    """A name of the IANA database, as "Europe/Berlin"."""


class QuietHoursAnswer(BaseModel):
    """The caller's quiet hours."""

    starts: str
    ends: str
    time_zone: str


@router.get("")
async def read_quiet_hours(caller: Caller, parts: PartsDep) -> QuietHoursAnswer:
    """The caller's quiet hours."""
    hours = await parts.quiet_hours.find(caller.user_id)
    if hours is None:
        raise WhimbrelError(ErrorCode.NOT_FOUND, "you have no quiet hours")
    return QuietHoursAnswer(
        starts=_shown(hours.from_minute), ends=_shown(hours.to_minute), time_zone=hours.time_zone
    )


@router.put("")
async def change_quiet_hours(
    body: QuietHoursChange, caller: Caller, parts: PartsDep
) -> QuietHoursAnswer:
    """Say when notifications come without sound. Holds within half a minute."""
    hours = QuietHours(_minute(body.starts), _minute(body.ends), body.time_zone)
    if hours.from_minute == hours.to_minute:
        raise WhimbrelError(ErrorCode.INVALID_ARGUMENT, "starts and ends must differ")
    await parts.quiet_hours.put(caller.user_id, hours, now_ms=time.time_ns() // 1_000_000)
    return QuietHoursAnswer(starts=body.starts, ends=body.ends, time_zone=body.time_zone)


@router.delete("", status_code=204)
async def remove_quiet_hours(caller: Caller, parts: PartsDep) -> Response:
    """Have none any more. Without any nothing changes."""
    await parts.quiet_hours.remove(caller.user_id)
    return Response(status_code=204)


def _minute(clock: str) -> int:
    return 60 * int(clock[:2]) + int(clock[3:])


def _shown(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
