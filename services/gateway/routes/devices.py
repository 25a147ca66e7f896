"""The caller's devices: what they are, and how they are woken."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from services.gateway.caller import Caller
from services.gateway.domain.accounts import Device
from services.gateway.fields import PathName, Platform, RequestBody
from services.gateway.parts import PartsDep

router = APIRouter(prefix="/v1/devices", tags=["devices"])


class PushTarget(RequestBody):
    """Where to wake a device."""

    provider: Literal["apns", "fcm", "webpush", "webhook"]
    token: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[\x20-\x7e]*$")]
    """As the provider gave it: printable ASCII."""


class DeviceChange(RequestBody):
    """A device as it is to be."""

    platform: Platform
    push: PushTarget | None = None
    """Absent: the device is not to be woken."""


class DeviceAnswer(BaseModel):
    """A device of the caller. The push token is not shown again."""

    device_id: str
    platform: str
    push_provider: str
    """Empty when it is not woken."""
    updated_ms: int

    @classmethod
    def of(cls, device: Device) -> DeviceAnswer:
        """As JSON has it."""
        return cls(
            device_id=device.device_id,
            platform=device.platform,
            push_provider=device.push_provider,
            updated_ms=device.updated_ms,
        )


@router.get("")
async def list_devices(caller: Caller, parts: PartsDep) -> list[DeviceAnswer]:
    """The caller's devices, by id."""
    return [DeviceAnswer.of(device) for device in await parts.devices.list(caller.user_id)]


@router.put("/{device_id}")
async def put_device(
    device_id: PathName, body: DeviceChange, caller: Caller, parts: PartsDep
) -> DeviceAnswer:
    """Say what a device is and how it is woken. A push token belongs to one device: another one
    that had it, of whatever user, is not woken any more."""
    device = Device(
        caller.user_id,
        device_id,
        body.platform,
        body.push.provider if body.push else "",
        body.push.token if body.push else "",
        time.time_ns() // 1_000_000,
    )
    await parts.devices.put(device)
    return DeviceAnswer.of(device)


@router.delete("/{device_id}", status_code=204)
async def remove_device(
    device_id: PathName, request: Request, caller: Caller, parts: PartsDep
) -> Response:
    """Forget a device and its keys: its logins, tokens and streams end, and it is not woken any
    more. Counts as an attempt to log in."""
    # Each one is remembered by every pod.
    parts.limits.log_in(request, caller.user_id)
    # Keys first: whoever repeats this after a crash in between finds the device still there.
    await parts.keys.store.remove(caller.user_id, device_id)
    await parts.forget_device.forget(caller.user_id, device_id)
    return Response(status_code=204)
