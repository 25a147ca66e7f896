"""What a loop that dials again owes to whoever cancels it."""

from __future__ import annotations

import asyncio


def check_cancelled() -> None:
    """Raise CancelledError if this task is being cancelled. Call it where a failed call is
    answered with another attempt.

    grpc.aio swallows a cancellation that comes while a call is being set up: the task behind the
    call takes it for its own (grpc/aio/_call.py, `_prepare_rpc`), and whoever waits gets the
    call's status instead. A loop that then dials again would never end.

    Not after a TaskGroup of the same task: a child that fails while the group ends leaves the
    task marked as cancelled when nobody has done that (CPython 3.11). There, let the loop look
    whether it is still wanted.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
