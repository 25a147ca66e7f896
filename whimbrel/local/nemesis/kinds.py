"""The kinds of faults, and what of a stack each of them can strike.

Pure: a `Field` says what there is, and knows no processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

KINDS: tuple[str, ...] = (
    "kill",  # SIGKILL of a pod, sometimes of two
    "stop",  # SIGSTOP of a pod for 1 to 20 s, then SIGCONT
    "term",  # SIGTERM of a pod; it drains, ends, and is started again
    "redis-flush",  # FLUSHALL
    "redis-kill",  # SIGKILL of redis; it comes back empty
    "mongo-kill",  # SIGKILL of a mongod
    "mongo-stepdown",  # the primary steps down; three members only
    "net-delay",  # a link, or all links of a pod, get slow
    "net-cut",  # they reset what is open and refuse what comes
    "net-half-open",  # they swallow what goes in one direction
    "drain",  # an Access pod is deleted; it moves its clients, and another one takes its place
    "rollout",  # all Access pods are replaced, one after the other
    "kill-controller",  # SIGKILL of a drain controller
    "clock",  # the wall clock of a Logic pod steps, and steps back
)
"""Every kind there is; which of them a stack can do is in its `Field`."""


@dataclass(frozen=True)
class Field:
    """What a stack offers for being struck, by name. Everything sorted, so that a plan made on
    it depends on nothing else."""

    pods: tuple[str, ...]
    redis: tuple[str, ...] = ()
    """The redis that the stack runs itself; none when it was given one."""
    mongods: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    """Names of proxied links, "FROM>TO"."""
    clocks: tuple[str, ...] = ()
    """Pods whose wall clock can be stepped."""

    @property
    def access(self) -> tuple[str, ...]:
        """The Access pods: those that come and go."""
        return tuple(pod for pod in self.pods if pod.startswith("access-"))

    def targets(self, kind: str) -> tuple[tuple[str, ...], ...]:
        """What the kind can strike: each is the names of what is struck together. None when the
        stack cannot do the kind. Raises ValueError for a kind that does not exist."""
        by_kind: Mapping[str, tuple[tuple[str, ...], ...]] = {
            "kill": _each(self.pods),
            "stop": _each(self.pods),
            "term": _each(self.pods),
            "redis-flush": (("redis data",),),
            "redis-kill": _each(self.redis),
            "mongo-kill": _each(self.mongods),
            "mongo-stepdown": (("mongo primary",),) if len(self.mongods) == 3 else (),
            "net-delay": self._sets_of_links(),
            "net-cut": self._sets_of_links(),
            "net-half-open": self._sets_of_links(),
            "drain": _each(self.access) if len(self.access) > 1 else (),
            "rollout": (("access pods",),) if len(self.access) > 1 else (),
            "kill-controller": _each(tuple(p for p in self.pods if p.startswith("drain-"))),
            "clock": tuple((f"clock of {pod}",) for pod in self.clocks),
        }
        if kind not in by_kind:
            raise ValueError(f"there is no fault {kind!r}, there are: {', '.join(KINDS)}")
        return by_kind[kind]

    def possible(self) -> tuple[str, ...]:
        """The kinds that this stack can do, in the order of KINDS."""
        return tuple(kind for kind in KINDS if self.targets(kind))

    def _sets_of_links(self) -> tuple[tuple[str, ...], ...]:
        """Each link alone, and all links of a pod: cut off from everybody."""
        around = [tuple(link for link in self.links if pod in link.split(">")) for pod in self.pods]
        return _each(self.links) + tuple(links for links in around if len(links) > 1)


def _each(names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple((name,) for name in names)
