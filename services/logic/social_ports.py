"""What Logic needs to know of people and groups, by role. As in `ports`: a memory adapter and a
real one for each, one contract suite for both, UNAVAILABLE when the store does not answer.

Changes compare and set: a document carries a version, a change names the one it was made from,
and of two changes at once one is refused and made again from what it finds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, Protocol, TypeVar

from services.logic.domain.groups import Group, Standing
from services.logic.domain.people import Friendship, Pair, Privacy, Relation

K = TypeVar("K")
V_co = TypeVar("V_co", covariant=True)


class Changes(NamedTuple):
    """What has changed: all of `names`, or (`is_complete` False) more than can be told."""

    mark: object
    names: list[str]
    is_complete: bool = True


class Facts(Protocol[K, V_co]):
    """A store that facts are cached from: it tells what has changed, so that a cache need not
    ask again for what has not."""

    async def find(self, keys: Collection[K]) -> Mapping[K, V_co]:
        """What is known of these keys; unknown ones are absent. One query; majority."""
        ...

    async def changed(self, mark: object) -> Changes:
        """What has changed since `mark` (None: since now), as names that `key_of` reads, and the
        next mark. A change may be told more than once, and is told for at least 10 s."""
        ...

    def key_of(self, name: str) -> K:
        """The key that `changed` names so."""
        ...


class RelationStore(Facts[Pair, Relation], Protocol):
    """`relations`: one document for each pair of users that ever met."""

    async def replace(self, pair: Pair, relation: Relation) -> bool:
        """Store it as the successor of `relation.version`. False, and nothing changes, when the
        stored version is another. Majority, journaled."""
        ...

    async def count(self, user: str, friendship: Friendship) -> int:
        """How many relations of the user are in this state."""
        ...

    async def of(
        self, user: str, friendship: Friendship, after: str, limit: int
    ) -> list[tuple[Pair, Relation]]:
        """The user's relations in this state, by the name of the pair, from the one after
        `after` on ("" for the first)."""
        ...

    async def blocked_by(self, user: str, after: str, limit: int) -> list[tuple[Pair, Relation]]:
        """Whom the user has blocked, in the same order."""
        ...


class PrivacyStore(Facts[str, Privacy], Protocol):
    """`privacy`: what each user permits; users who never said anything have no document."""

    async def put(self, user: str, privacy: Privacy) -> None:
        """Store it. Majority, journaled."""
        ...


class GroupStore(Protocol):
    """`conversations`: a group and its members are one document, so that a change of members,
    roles and what is still to be said about it is one write."""

    async def load(self, conversation: str) -> Group | None:
        """The group as it is now; None when there never was one. Majority."""
        ...

    async def replace(self, group: Group) -> bool:
        """Store it as the successor of `group.version`. False, and nothing changes, when the
        stored version is another. Majority, journaled."""
        ...

    async def standings(self, conversations: Iterable[str]) -> dict[str, Standing]:
        """Who is in each group that exists, and who may speak. One query when nothing has
        changed since the last call. Majority."""
        ...

    async def unsaid(self, before_ms: int, limit: int) -> list[str]:
        """Groups with a notice from before that time that nobody has committed."""
        ...

    async def of_user(self, user: str, after: str, limit: int) -> list[Group]:
        """The groups that the user is in, by conversation id, from the one after `after` on."""
        ...

    async def share_group(self, one: str, other: str) -> bool:
        """Whether both are members of some group now. Majority."""
        ...
