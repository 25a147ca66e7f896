"""The process kubelet keeps a kubelet's order, so that what is tested with it means something."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tests.component.drain import kube_objects as make
from tests.component.drain.kube_world import Json, KubeWorld
from tests.component.drain.process_kubelet import ProcessKubelet
from tests.component.drain.viewer import Viewer, pod_of
from tests.waiting import until

_STUBBORN = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: pathlib.Path(sys.argv[1]).write_text("asked"))
pathlib.Path(sys.argv[2]).touch()
signal.alarm(600)
while True:
    signal.pause()
"""

_WAITS = "signal.alarm(600); signal.pause()"


def running(command: list[str], *, node: str, pre_stop: list[str], grace_seconds: int) -> Json:
    pod = make.pod("access-1", node=node, grace_seconds=grace_seconds)
    container: Json = {"name": "access", "image": "whimbrel:test", "command": command}
    container["lifecycle"] = {"preStop": {"exec": {"command": pre_stop}}}
    pod["spec"]["containers"] = [container]
    return pod


async def test_a_pod_gets_pre_stop_then_sigterm_then_sigkill(
    world: KubeWorld, tmp_path: Path
) -> None:
    node = f"node-{world.namespace}"
    asked, started, hooked = tmp_path / "asked", tmp_path / "started", tmp_path / "hooked"
    hook = (
        f"import pathlib; asked = pathlib.Path({str(asked)!r}).exists();"
        f"pathlib.Path({str(hooked)!r}).write_text(str(asked))"
    )
    pod = running(
        [sys.executable, "-c", _STUBBORN, str(asked), str(started)],
        node=node,
        pre_stop=[sys.executable, "-c", hook],
        grace_seconds=4,
    )
    platform, _ = await world.open()
    async with (
        ProcessKubelet(world, node, tmp_path).running() as kubelet,
        Viewer(platform).following() as viewer,
    ):
        await world.add("pods", pod)
        await until(started.exists)
        await platform.release("access-1")
        await viewer.wait_for(lambda view: pod_of(view, "access-1") is None)
    assert hooked.read_text() == "False"  # before the signal
    assert asked.read_text() == "asked"
    assert kubelet.ends["access-1"] == -signal.SIGKILL


async def test_a_pre_stop_that_hangs_costs_the_grace_and_no_more(
    world: KubeWorld, tmp_path: Path
) -> None:
    node = f"node-{world.namespace}"
    started = tmp_path / "started"
    begin = f"import pathlib, signal; pathlib.Path({str(started)!r}).touch(); {_WAITS}"
    pod = running(
        [sys.executable, "-c", begin],
        node=node,
        pre_stop=[sys.executable, "-c", f"import signal; {_WAITS}"],
        grace_seconds=2,
    )
    platform, _ = await world.open()
    async with (
        ProcessKubelet(world, node, tmp_path).running() as kubelet,
        Viewer(platform).following() as viewer,
    ):
        await world.add("pods", pod)
        await until(started.exists)
        await platform.release("access-1")
        await viewer.wait_for(lambda view: pod_of(view, "access-1") is None)
    assert kubelet.ends["access-1"] < 0
