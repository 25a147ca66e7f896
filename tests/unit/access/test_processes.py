"""The processes of a pod: what each is told, when it is started again, and whose the port is."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.access.processes.environment import process_environment, process_name
from services.access.processes.restarts import LONGEST_SECONDS, MOST_IN_A_ROW, Restarts
from services.access.processes.shared_port import shared_port
from services.access.settings import AccessSettings
from tests.unit.access.access_settings import settings_of

MIB = 1024 * 1024


def told(settings: AccessSettings, number: int, memory_bytes: int = 0) -> dict[str, str]:
    return process_environment(
        settings, number, incarnation="abc", listen="127.0.0.1:7400", memory_bytes=memory_bytes
    )


def test_each_process_has_a_name_of_its_own_and_knows_its_pod() -> None:
    first, second = (told(settings_of(), number) for number in (1, 2))
    assert first["WHIMBREL_POD__ID"] == process_name("access-0", 1) == "access-0.1"
    assert second["WHIMBREL_POD__ID"] == "access-0.2"
    assert first["WHIMBREL_ACCESS__PROCESS_OF"] == "access-0"
    assert first["WHIMBREL_POD__LISTEN"] == second["WHIMBREL_POD__LISTEN"] == "127.0.0.1:7400"


def test_what_the_pod_holds_is_divided_and_no_limit_becomes_none() -> None:
    drain = {"arrivals_per_second": 1.5, "max_sessions": 9}
    own = told(settings_of(drain=drain, shell={"streams": 1}), 1, memory_bytes=101 * MIB)
    assert own["WHIMBREL_DRAIN__ARRIVALS_PER_SECOND"] == "1"
    assert own["WHIMBREL_DRAIN__MAX_SESSIONS"] == "5"
    assert own["WHIMBREL_SHELL__STREAMS"] == "1"
    assert own["WHIMBREL_SHELL__MEMORY_MIB"] == "51"
    without = told(settings_of(shell={"streams": 0}), 1)
    assert without["WHIMBREL_SHELL__STREAMS"] == without["WHIMBREL_DRAIN__MAX_SESSIONS"] == "0"


def test_each_process_has_its_own_socket_and_its_own_metrics() -> None:
    own = settings_of(drain={"socket": Path("/run/whimbrel/drain.sock")})
    assert told(own, 2)["WHIMBREL_DRAIN__SOCKET"] == "/run/whimbrel/drain.sock.2"
    assert "WHIMBREL_DRAIN__SOCKET" not in told(settings_of(), 1)
    assert "WHIMBREL_METRICS__LISTEN" not in told(own, 1)
    asked = process_environment(
        own, 1, incarnation="abc", listen="[::]:7400", memory_bytes=0, metrics_listen="127.0.0.1:9"
    )
    assert asked["WHIMBREL_METRICS__LISTEN"] == "127.0.0.1:9"


def test_a_process_shares_its_port_and_a_pod_of_one_does_not() -> None:
    own = settings_of(access={"processes": 2, "process_of": "access-0", "incarnation": "abc"})
    assert own.shares_port
    assert own.pod_name == "access-0"
    assert not settings_of(access={"processes": 1}).shares_port
    with pytest.raises(ValueError, match="set together"):
        settings_of(access={"process_of": "access-0"})


def test_one_that_dies_is_started_again_after_longer_and_longer_pauses() -> None:
    restarts = Restarts()
    pauses = [restarts.pause(-9, 0.5) for _ in range(MOST_IN_A_ROW)]
    assert pauses[0] == 0.2
    assert pauses[-1] is None
    assert pauses[:-1] == sorted(pause for pause in pauses[:-1] if pause is not None)
    assert max(pause for pause in pauses if pause is not None) <= LONGEST_SECONDS


def test_one_that_lived_well_begins_anew() -> None:
    restarts = Restarts()
    assert {restarts.pause(-9, 60.0) for _ in range(50)} == {0.2}


def test_bad_settings_are_not_tried_again() -> None:
    assert Restarts().pause(2, 0.1) is None


def test_a_port_that_somebody_listens_on_is_not_shared_with_them() -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(OSError, match="in use"), shared_port(listen, wait_seconds=0):
            pass


def test_a_chosen_port_is_held_for_the_processes_and_gets_no_connection() -> None:
    with shared_port("127.0.0.1:0") as listen:
        port = int(listen.rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port), reuse_port=True) as process:
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", port)), process.accept()[0]:
                    pass
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port))


def test_the_parent_loads_no_grpc() -> None:
    imports = "import sys, services.access.processes.entry as _"
    check = "print([name for name in sys.modules if name.split('.')[0] in ('grpc', 'google')])"
    said = subprocess.run(
        [sys.executable, "-c", f"{imports}; {check}"], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"
