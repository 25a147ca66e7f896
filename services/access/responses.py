"""What comes from Logic, handed to whom it concerns. One batch is handled without a pause, so
that the streams find everything that it brought when they write next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from services.access.acks import AckKeeper
from services.access.frames import ENTRY_OVERHEAD_BYTES, Item, detached, numbered
from services.access.head_checks import HeadChecks
from services.access.link import HighestId, Link
from services.access.links import Links
from services.access.pending import LinkLostError, SendOwner
from services.access.requests import error_of, link_broke
from services.access.session_table import SessionTable
from services.access.signal_desk import SignalDesk
from whimbrel.api.logic.v1 import logic_pb2

if TYPE_CHECKING:
    from services.access.delivery_traces import DeliveryTraces
    from services.access.send_traces import SendTrace, SendTraces


class LogicResponses:
    """The inbound half of the links: implements `LinkEvents`.

    `commit_seconds` is the deadline of a send: that long after a link broke, a commit that was
    in flight on it has ended one way or the other (rule 16).
    """

    def __init__(
        self,
        links: Links,
        table: SessionTable,
        acks: AckKeeper,
        head_checks: HeadChecks,
        signals: SignalDesk,
        highest: HighestId,
        *,
        clock: Callable[[], float],
        commit_seconds: float,
        send_traces: SendTraces | None = None,
        delivery_traces: DeliveryTraces | None = None,
    ) -> None:
        self._links = links
        self._table = table
        self._acks = acks
        self._head_checks = head_checks
        self._signals = signals
        self._highest = highest
        self._clock = clock
        self._commit_seconds = commit_seconds
        self._send_traces = send_traces
        self._traces = delivery_traces

    def on_up(self, link: Link) -> None:
        """Choose anew, and ask what was missed while it was away."""
        self._links.refresh()
        self._head_checks.request()

    def on_down(self, link: Link) -> None:
        """Answer everybody who waits on the link; then look at all heads, now and later."""
        self._links.refresh()
        now = self._clock()
        for send in link.sends.drain():
            send.owner.refused(send, link_broke())
        for fetch in link.fetches.drain():
            fetch.owner.pull_failed(now)
        for answer in list(link.attaches.values()):
            if not answer.done():
                answer.set_exception(LinkLostError())
        self._acks.link_lost(link.pod_id)
        self._head_checks.request()
        self._head_checks.request(self._commit_seconds)

    def on_traced(self, traces: Sequence[SendTrace], began: float) -> None:
        """Only where there are traces."""
        if self._send_traces is not None:
            self._send_traces.linked(traces, began)

    def on_response(self, link: Link, response: logic_pb2.LinkResponse) -> None:
        """Results first: they say which deliveries a device has already."""
        now = self._clock()
        touched: dict[SendOwner, None] = {}
        for result in response.results:
            self._result(link, result, now, touched)
        for delivery in response.deliveries:
            self._deliver(delivery, now, touched)
        for owner in touched:  # once, whatever the batch has for it
            owner.turn(now)
        for attach_result in response.attach_results:
            answer = link.attaches.get(attach_result.ref)
            if answer is not None and not answer.done():
                answer.set_result(attach_result)
        for fetch_result in response.fetch_results:
            self._fetched(link, fetch_result, now)
        for news in response.head_news:
            for stream in self._table.of_user(news.user_id):
                stream.head_news(news.head, now)
        for stored in response.stored_cursors:
            self._acks.stored(stored.user_id, stored.device_id, stored.cursor)
        for gone in response.superseded:
            self._table.supersede(gone.user_id, gone.device_id, gone.epoch, gone.instance_id)
        for kicked in response.kicked:
            self._table.kick(kicked.user_id, kicked.device_id, kicked.epoch)
        self._signals.on_response(response)

    def _result(
        self,
        link: Link,
        result: logic_pb2.SendResult,
        now: float,
        touched: dict[SendOwner, None],
    ) -> None:
        send = link.sends.pop(result.ref)
        if send is None:
            return  # answered "unknown" before
        if result.WhichOneof("outcome") == "stored":
            stored = result.stored
            self._highest.see(stored.message_id)
            send.owner.stored(send, stored.message_id, stored.seq, now)
            touched[send.owner] = None
        else:
            send.owner.refused(send, error_of(result.refused))

    def _deliver(
        self, delivery: logic_pb2.Delivery, now: float, touched: dict[SendOwner, None]
    ) -> None:
        message = None
        traces = self._traces if delivery.traceparent else None
        parent = None if traces is None else traces.arrived(delivery, now)
        for target in delivery.targets:
            for stream in self._table.of_user(target.user_id):
                if message is None:
                    message = detached(delivery.message)
                    size = message.ByteSize() + ENTRY_OVERHEAD_BYTES
                    self._highest.see(message.message_id)
                item = Item(target.seq, message, target.late)
                if target.traced and traces is not None and parent is not None:
                    trace = traces.offered(parent, message.message_id, now)
                    item = item._replace(trace=trace)
                stream.offer(target.seq, size, item, now)
                touched[stream] = None

    def _fetched(self, link: Link, result: logic_pb2.FetchResult, now: float) -> None:
        fetch = link.fetches.pop(result.ref)
        if fetch is None:
            return
        if result.HasField("refused"):
            fetch.owner.pull_failed(now)
        else:
            page = numbered(detached(result).entries, self._traces, now)
            fetch.owner.pulled(page, result.head, now)
