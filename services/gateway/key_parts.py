"""Wires keys of devices."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from services.gateway.adapters.account_store_mongo import MongoAccountStore
from services.gateway.adapters.device_key_store_mongo import MongoDeviceKeyStore
from services.gateway.adapters.device_store_mongo import MongoDeviceStore
from services.gateway.key_settings import KeySettings
from services.gateway.usecases.fetch_keys import FetchKeys
from services.gateway.usecases.publish_keys import PublishKeys
from whimbrel.runtime.logic_pods import LogicPods
from whimbrel.runtime.stores import Database


@dataclass(frozen=True)
class KeyParts:
    """What the routes of keys stand on."""

    store: MongoDeviceKeyStore
    publish: PublishKeys
    fetch: FetchKeys


def assemble_keys(
    settings: KeySettings,
    database: Database,
    devices: MongoDeviceStore,
    accounts: MongoAccountStore,
    logic: LogicPods,
    *,
    now_ms: Callable[[], int],
) -> KeyParts:
    """All parts of keys, on a real store."""
    store = MongoDeviceKeyStore(database)
    return KeyParts(
        store,
        PublishKeys(store, devices, max_prekeys=settings.max_prekeys, now_ms=now_ms),
        FetchKeys(store, devices, accounts, logic, settings, clock=time.monotonic),
    )
