"""The links to all Logic pods: one each, opened and closed as the registry says, and the choice.

A pod that leaves the registry keeps its link as long as it works (rule 12).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from services.access.link import Link
from whimbrel.api.logic.v1 import logic_pb2_grpc
from whimbrel.api.router.v1 import router_pb2
from whimbrel.core.errors import unavailable
from whimbrel.core.rendezvous import choose

_CACHED_CHOICES: Final = 50_000


class Links:
    """Who is linked, and which link serves a key. `run` owns the links' tasks."""

    def __init__(self, make_link: Callable[[router_pb2.Pod], Link]) -> None:
        self._make_link = make_link
        self._wanted: dict[str, router_pb2.Pod] = {}
        self._links: dict[str, Link] = {}
        self._changed = asyncio.Event()
        self._choices: dict[str, Link] = {}
        self._eligible: dict[str, Link] = {}
        self._came_up = asyncio.Event()

    def __iter__(self) -> Iterator[Link]:
        return iter(list(self._links.values()))

    def see(self, pods: Mapping[str, router_pb2.Pod]) -> None:
        """The registry's table has changed."""
        self._wanted = {
            pod.pod_id: pod for pod in pods.values() if pod.role == router_pb2.POD_ROLE_LOGIC
        }
        for link in self._links.values():
            pod = self._wanted.get(link.pod_id)
            if pod is not None and _same_process(pod, link.pod):
                link.pod = pod  # its state may have changed
        self._changed.set()
        self.refresh()

    def refresh(self) -> None:
        """A link has come up or gone down: choose anew."""
        self._choices.clear()
        up = {link.pod_id: link for link in self._links.values() if link.up}
        active = {
            pod_id: link
            for pod_id, link in up.items()
            if link.pod.state in (router_pb2.POD_STATE_ACTIVE, router_pb2.POD_STATE_UNSPECIFIED)
        }
        self._eligible = active or up
        if self._eligible:
            self._came_up.set()
        else:
            self._came_up.clear()

    def choose(self, key: str) -> Link | None:
        """The link that serves `key` (a conversation or a user); None when none is up."""
        link = self._choices.get(key)
        if link is None:
            pod_id = choose(key, self._eligible)
            if pod_id is None:
                return None
            if len(self._choices) >= _CACHED_CHOICES:
                self._choices.clear()
            link = self._choices[key] = self._eligible[pod_id]
        return link

    async def wait_for(self, key: str) -> Link:
        """The link that serves `key`, as soon as there is one. The caller sets the deadline."""
        while (link := self.choose(key)) is None:
            await self._came_up.wait()
        return link

    def stub(self, key: str) -> logic_pb2_grpc.LogicServiceStub:
        """For a unary call to a Logic pod that is there; UNAVAILABLE when none is."""
        link = self.choose(key)
        if link is None or link.stub is None:
            raise unavailable("no Logic pod is linked")
        return link.stub

    async def run(self) -> None:
        """Open what is wanted, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            try:
                while True:
                    self._changed.clear()
                    self._open_missing(tasks)
                    await self._changed.wait()
            finally:
                self._wanted = {}  # a link whose cancellation grpc swallows looks here

    def _open_missing(self, tasks: asyncio.TaskGroup) -> None:
        for pod in self._wanted.values():
            known = self._links.get(pod.pod_id)
            if known is not None and _same_process(pod, known.pod):
                continue
            # Another process answers to that name: the old link breaks by itself.
            link = self._links[pod.pod_id] = self._make_link(pod)
            tasks.create_task(self._keep(link), name=f"link-{pod.pod_id}")

    async def _keep(self, link: Link) -> None:
        await link.run(lambda: self._is_wanted(link))
        if self._links.get(link.pod_id) is link:
            del self._links[link.pod_id]
            self._changed.set()  # it may have been wanted again in the same moment

    def _is_wanted(self, link: Link) -> bool:
        pod = self._wanted.get(link.pod_id)
        return pod is not None and _same_process(pod, link.pod)


def _same_process(one: router_pb2.Pod, other: router_pb2.Pod) -> bool:
    return one.incarnation == other.incarnation and one.address == other.address
