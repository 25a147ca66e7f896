"""Makes mongods into one replica set, of one member or three, whatever ports they had before.

Each member is asked again and again whether it is ready; member 0, asked so, takes the next step
towards the set that is wanted. It starts alone, because one is primary at once, and takes the
others in one by one, as MongoDB wants it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

REPLICA_SET = "whimbrel"
_NOT_YET_INITIALIZED = 94
_SETTINGS = {
    # Members share one machine. Half the default, so that a dead primary is replaced before a
    # send's 10 s deadline, and still more than a busy laptop makes a heartbeat wait.
    "electionTimeoutMillis": 5000,
    "heartbeatIntervalMillis": 1000,
}

Document = dict[str, Any]


def replica_set_url(addresses: Sequence[str]) -> str:
    """For clients; the driver finds the primary, and follows it."""
    return f"mongodb://{','.join(addresses)}/?replicaSet={REPLICA_SET}"


async def is_member(number: int, addresses: Sequence[str]) -> bool:
    """Whether the mongod at addresses[number] serves in the set of exactly these: as its primary,
    or as a secondary that knows one. To be called again until it does; each call has a deadline.

    A set that was initiated on other ports (the data of an earlier run) is moved to these; with
    force, because it has no primary to ask.
    """
    host, _, port = addresses[number].rpartition(":")
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        host, int(port), directConnection=True, serverSelectionTimeoutMS=500, timeoutMS=5000
    )
    try:
        hello = await client.admin.command("hello")
        if hello.get("me") == addresses[number] and set(hello.get("hosts", ())) == set(addresses):
            return bool(hello["isWritablePrimary"] or (hello["secondary"] and "primary" in hello))
        if number == 0:
            await _take_a_step(client, addresses, is_primary=bool(hello["isWritablePrimary"]))
    except PyMongoError:
        return False
    else:
        return False
    finally:
        await client.close()


async def find_primary(addresses: Sequence[str]) -> int | None:
    """Which of them is primary now; None while there is none."""
    for number, address in enumerate(addresses):
        client: AsyncMongoClient[Document] = AsyncMongoClient(
            f"mongodb://{address}", directConnection=True, timeoutMS=1000
        )
        try:
            if (await client.admin.command("hello"))["isWritablePrimary"]:
                return number
        except PyMongoError:
            continue
        finally:
            await client.close()
    return None


async def step_down(address: str, *, seconds: int) -> bool:
    """Ask the primary at `address` to step down and not to return within `seconds`; whether it
    did. It waits for a secondary that has caught up, 5 s at most."""
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        f"mongodb://{address}", directConnection=True, timeoutMS=10_000
    )
    command = {"replSetStepDown": seconds, "secondaryCatchUpPeriodSecs": min(5, seconds - 1)}
    try:
        await client.admin.command(command)
    except PyMongoError:
        return False
    else:
        return True
    finally:
        await client.close()


async def _take_a_step(
    client: AsyncMongoClient[Document], addresses: Sequence[str], *, is_primary: bool
) -> None:
    try:
        config = (await client.admin.command("replSetGetConfig"))["config"]
    except OperationFailure as failure:
        if failure.code != _NOT_YET_INITIALIZED:
            raise
        first = {"_id": REPLICA_SET, "members": _members(addresses[:1]), "settings": _SETTINGS}
        await client.admin.command("replSetInitiate", first)
        return
    there = [member["host"] for member in config["members"]]
    wanted = addresses[: len(there)]
    if there == list(wanted):
        if not is_primary or len(there) == len(addresses):
            return
        wanted = addresses[: len(there) + 1]
    changed = {**config, "version": config["version"] + 1, "members": _members(wanted)}
    await client.admin.command("replSetReconfig", changed, force=not is_primary)


def _members(addresses: Sequence[str]) -> list[Document]:
    return [{"_id": number, "host": address} for number, address in enumerate(addresses)]
