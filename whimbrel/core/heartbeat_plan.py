"""Which heartbeat a client keeps: fixed in the foreground, found out in the background.

Lives as long as the client, over all its streams and networks. It holds one search
(`nat_probe`) per network, fed by the pings of the stream (`heartbeat`):

    answered ──────────────────────────▶ the search of this network: answered
    lost with a ping unanswered ──▶ suspicion ── the very next attempt works ──▶ failed
                                        └── it fails, or the network changes: forgotten

A ping that is not answered may mean a NAT that forgot us, or no network at all. Only the first
is followed by an attempt that works, so the verdict waits for that. Pure: `now` is monotonic
seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from whimbrel.core.nat_probe import Learned, NatProbe, Phase, ProbePolicy

REMEMBERED_NETWORKS: Final = 64
"""So many networks are remembered, those used last."""
UNKNOWN_NETWORK: Final = ""
"""The id of the network when nobody has named it."""


@dataclass(frozen=True)
class HeartbeatPlanStatistics:
    """What the plan has come to."""

    is_background: bool
    interval_seconds: float
    network_id: str | None
    phase: Phase | None
    """Of the search on this network; None when there is none yet."""


class HeartbeatPlan:
    """The interval that holds now. See the module.

    The bounds come with the first Welcome; a server that names none for the background wants
    the fixed interval always.
    """

    def __init__(
        self,
        *,
        foreground_seconds: float,
        policy: ProbePolicy | None = None,
        learned: Mapping[str, Learned] | None = None,
        is_background: bool = False,
        network_id: str | None = UNKNOWN_NETWORK,
    ) -> None:
        """`learned` is what an earlier life remembered, the network used last at the end."""
        self._policy = policy or ProbePolicy()
        self._foreground = foreground_seconds
        self._bounds: tuple[float, float] | None = None
        self._is_background = is_background
        self._network_id = network_id
        self._learned = OrderedDict(learned or {})
        self._probe: NatProbe | None = None
        self._news: dict[str, Learned | None] = {}
        self._is_judged = False
        self._suspicion: float | None = None
        self._trim()

    # --- what holds now --------------------------------------------------------------

    @property
    def is_background(self) -> bool:
        """Nobody looks at the app."""
        return self._is_background

    @property
    def is_adaptive(self) -> bool:
        """Whether the server takes an interval that we choose."""
        return self._bounds is not None

    @property
    def interval_seconds(self) -> float:
        """Seconds between pings."""
        if self._is_background and self._probe is not None:
            return self._probe.interval_seconds
        return self._foreground

    def statistics(self) -> HeartbeatPlanStatistics:
        """The figures at this moment."""
        return HeartbeatPlanStatistics(
            self._is_background,
            self.interval_seconds,
            self._network_id,
            None if self._probe is None else self._probe.phase,
        )

    def take_learned(self) -> dict[str, Learned | None]:
        """What is to be stored since the last call, by network id; None forgets it."""
        news, self._news = self._news, {}
        return news

    # --- inputs ----------------------------------------------------------------------

    def set_background(self, is_background: bool) -> None:
        """The app has come or gone."""
        self._is_background = is_background

    def set_network(self, network_id: str | None, now: float) -> None:
        """Another network, or none. The stream of the old one proves nothing any more."""
        if network_id == self._network_id:
            return
        self._network_id = network_id
        self._is_judged = False
        self._suspicion = None
        self._probe = None
        self._search(now)

    def attached(
        self, foreground_seconds: float, minimum_seconds: float, maximum_seconds: float, now: float
    ) -> None:
        """A Welcome with its bounds, in seconds; a minimum or maximum of 0 means none.

        The attempt worked: a suspicion becomes a verdict.
        """
        self._foreground = foreground_seconds
        self._bounds = None
        if minimum_seconds > 0 and maximum_seconds > 0:
            self._bounds = (minimum_seconds, max(minimum_seconds, maximum_seconds))
        self._search(now)
        self._is_judged = True
        idle, self._suspicion = self._suspicion, None
        if idle is not None and self._probe is not None:
            self._probe.failed(idle, now)
            self._note()

    def answered(self, idle_seconds: float, now: float) -> None:
        """A ping that ended so long a silence was answered."""
        if self._is_judged and self._probe is not None:
            self._probe.answered(idle_seconds, now)
            self._note()

    def lost(self, idle_seconds: float | None) -> None:
        """The stream has ended, with a ping unanswered when `idle_seconds` is given."""
        self._suspicion = idle_seconds if self._is_judged else None
        self._is_judged = False

    def attempt_failed(self) -> None:
        """An attempt brought no Welcome: it is not the NAT."""
        self._suspicion = None

    # --- inside ----------------------------------------------------------------------

    def _search(self, now: float) -> None:
        """The search of this network goes on, within the bounds of now."""
        if self._bounds is None or self._network_id is None:
            self._probe = None
        elif self._probe is None:
            learned = self._learned.get(self._network_id)
            self._probe = NatProbe(*self._bounds, now, policy=self._policy, learned=learned)
        else:
            self._probe.set_bounds(*self._bounds)

    def _note(self) -> None:
        network_id, probe = self._network_id, self._probe
        if network_id is None or probe is None or probe.learned == self._learned.get(network_id):
            return
        self._learned.pop(network_id, None)
        if probe.learned is not None:
            self._learned[network_id] = probe.learned
        self._news[network_id] = probe.learned
        self._trim()

    def _trim(self) -> None:
        while len(self._learned) > REMEMBERED_NETWORKS:
            self._learned.popitem(last=False)
