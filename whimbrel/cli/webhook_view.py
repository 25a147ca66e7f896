"""How `whimbrel webhooks` shows what pods answer, in lines for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

TOLERANCE_MS: Final = 300_000
"""How old a signed request may be at its receiver (Standard Webhooks)."""


def lines_of_show(shown: Mapping[str, Any]) -> list[str]:
    """`shown`: the answers of all pods, by role."""
    lines = ["before a message is stored:"]
    lines += [line for pod in shown["logic"] for line in _asking(pod)]
    lines.append("events:")
    outboxes = [pod["outbox"] for pod in shown["logic"] if "outbox" in pod]
    lines += _outbox(outboxes[0]) if outboxes else ["  not recorded by any Logic pod"]
    lines += [line for pod in shown["push"] for line in _delivery(pod)]
    is_delivered = any(pod.get("origin") for pod in shown["push"])
    if outboxes and not is_delivered:
        lines.append("  nobody delivers them: give push WHIMBREL_WEBHOOKS__EVENTS_URL too")
    return lines


def lines_of_test(tested: Mapping[str, Any]) -> list[str]:
    """`tested`: what came back, by what was tested."""
    lines = []
    if (asked := tested.get("before_send")) is not None:
        detail = f" ({asked['detail']})" if asked.get("detail") else ""
        lines.append(f"before_send: {asked['outcome']}{detail} after {_ms(asked)}")
    if (told := tested.get("events")) is not None:
        answer = f"status {told['status']}" if told.get("status") else told.get("failure", "")
        lines.append(f"events: {told['outcome']} ({answer}) after {_ms(told)}")
        lines.append(f"  signatures: {told.get('signatures', 0)}; {_clock(told)}")
    return lines


def _asking(pod: Mapping[str, Any]) -> Iterator[str]:
    if "error" in pod:
        yield f"  {pod['pod_id']}  does not answer: {pod['error']}"
        return
    asked = pod.get("before_send")
    if asked is None:
        yield f"  {pod['pod_id']}  asks nobody"
        return
    breaker = "open: nobody is asked" if asked["is_open"] else "closed"
    yield (
        f"  {pod['pod_id']}  {asked['origin']}  at most {asked['timeout_ms']} ms, else "
        f"{asked['on_failure']}; breaker {breaker}; waiting {asked['waiting']}"
    )
    if asked["outcomes"]:
        yield f"    {_counts(asked['outcomes'])}"


def _outbox(outbox: Mapping[str, Any]) -> Iterator[str]:
    yield f"  kinds: {', '.join(outbox['kinds'])}"
    seconds = int(outbox["oldest_ms"]) / 1000
    yield f"  waiting {outbox['waiting']}, the oldest for {seconds:.1f} s; dead {outbox['dead']}"
    if (untaken := int(outbox["untaken_ms"]) // 1000) > 0:
        yield f"  due and not taken by any push pod for {untaken} s"


def _delivery(pod: Mapping[str, Any]) -> Iterator[str]:
    if "error" in pod:
        yield f"  {pod['pod_id']}  does not answer: {pod['error']}"
    elif not pod["origin"]:
        yield f"  {pod['pod_id']}  tells nobody"
    else:
        counts = _counts(pod["outcomes"]) or "none yet"
        yield f"  {pod['pod_id']}  {pod['origin']}  {counts}; lag {int(pod['lag_ms']) / 1000:.1f} s"


def _counts(outcomes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(outcomes.items()))


def _ms(row: Mapping[str, Any]) -> str:
    return f"{row.get('took_ms', 0):.0f} ms"


def _clock(told: Mapping[str, Any]) -> str:
    if "clock_ahead_ms" not in told:
        return "the answer has no date: whether the receiver's clock permits them is not known"
    ahead_ms = int(told["clock_ahead_ms"])
    if abs(ahead_ms) > TOLERANCE_MS:
        return (
            f"the receiver's clock is {ahead_ms / 1000:+.0f} s from ours: it should refuse them, "
            "as they are valid for 5 minutes"
        )
    return "a check with any of the secrets is expected to pass"
