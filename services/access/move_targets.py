"""Where a client goes that this pod does not keep: the targets, and a ticket to each.

Who goes, and when, is `Moves`' to say.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from services.access.tickets import Ticket, TicketOffice
from whimbrel.api.access.v1 import access_pb2
from whimbrel.core.drain.targets import MOST_TARGETS, Target, TargetChooser

if TYPE_CHECKING:
    from services.access.client_stream import ClientStream

_DICE_BITS: Final = 64


class MoveTargets:
    """Chooses targets and writes tickets to them."""

    def __init__(self, chooser: TargetChooser, tickets: TicketOffice) -> None:
        self._chooser = chooser
        self._tickets = tickets

    def elsewhere(self, stream: ClientStream, epoch: int, now: float) -> list[access_pb2.Target]:
        """Where a client that this pod does not take may go; with tickets if it has an epoch."""
        return self.with_tickets(stream, self._choose(now), epoch)

    def fresh(self, stream: ClientStream, now: float) -> list[Target]:
        """Targets for a session, if possible such as it has not failed to reach."""
        failed = stream.move.failed_targets
        targets: list[Target] = []
        for _ in range(2 if failed else 1):
            targets = self._choose(now)
            fresh = [target for target in targets if target.pod_id not in failed]
            if fresh:
                return fresh
        return targets

    def with_tickets(
        self, stream: ClientStream, targets: Iterable[Target], epoch: int
    ) -> list[access_pb2.Target]:
        """As a frame names them; without tickets for epoch 0."""
        return [
            access_pb2.Target(
                endpoint=target.endpoint,
                ticket=self._ticket(stream, target.pod_id, epoch) if epoch else "",
            )
            for target in targets
        ][:MOST_TARGETS]

    def receivers(self, now: float) -> list[str]:
        """The pods that take any, by pod_id."""
        return self._chooser.pod_ids(now)

    def _choose(self, now: float) -> list[Target]:
        return self._chooser.choose(random.getrandbits(_DICE_BITS), now)

    def _ticket(self, stream: ClientStream, pod_id: str, epoch: int) -> str:
        return self._tickets.write(
            Ticket(
                user_id=stream.user_id,
                device_id=stream.device_id,
                instance_id=stream.instance_id,
                pod_id=pod_id,
                epoch=epoch,
                expires_at=stream.expires_at,
                login_id=stream.credential.login_id,
                issued_at=stream.credential.issued_at,
            )
        )
