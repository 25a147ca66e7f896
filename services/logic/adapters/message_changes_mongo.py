"""Attributes as documents of `messages`, and the updates that a recall or an edit makes there.

Each update can be repeated, and two of them may come in either order: a recall is for good, and
of several edits the one with the highest message_id stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import Int64

from services.logic.domain.model import Change
from whimbrel.core.attributes import PLAIN, Attributes, ForwardedFrom
from whimbrel.runtime.stores import Document


def attributes_document(attributes: Attributes) -> Document:
    """Only what is said: nearly all of it is absent nearly always."""
    document: Document = {}
    if attributes.reply_to:
        document["reply_to"] = Int64(attributes.reply_to)
    if attributes.forwarded_from is not None:
        source = attributes.forwarded_from
        document["forwarded_from"] = {
            "message_id": Int64(source.message_id),
            "conversation": source.conversation_id,
            "sender": source.sender_id,
        }
    if attributes.mentions:
        document["mentions"] = list(attributes.mentions)
    if attributes.mentions_all:
        document["mentions_all"] = True
    if attributes.recalls:
        document["recalls"] = Int64(attributes.recalls)
    if attributes.edits:
        document["edits"] = Int64(attributes.edits)
    if attributes.media_id:
        document["media_id"] = attributes.media_id
    return document


def attributes_of(document: Mapping[str, Any] | None) -> Attributes:
    """What `attributes_document` made; PLAIN for none."""
    if document is None:
        return PLAIN
    source = document.get("forwarded_from")
    return Attributes(
        reply_to=int(document.get("reply_to", 0)),
        forwarded_from=source
        and ForwardedFrom(int(source["message_id"]), source["conversation"], source["sender"]),
        mentions=tuple(document.get("mentions", ())),
        mentions_all=document.get("mentions_all", False),
        recalls=int(document.get("recalls", 0)),
        edits=int(document.get("edits", 0)),
        media_id=document.get("media_id", ""),
    )


def updates_of(change: Change) -> list[Document]:
    """The statements of one change."""
    if change.is_recall:
        edits = {"sender": change.sender, "attributes.edits": Int64(change.target)}
        return [
            emptied(change.target, change.sender, change.by),
            {"q": edits, "u": _gone(change.by), "multi": True},
        ]
    stands = {
        "_id": Int64(change.target),
        "sender": change.sender,
        "recalled_by": {"$exists": False},
        "edited_by": {"$not": {"$gte": Int64(change.by)}},
    }
    marked = {
        "edited_by": Int64(change.by),
        "body_kind": change.body_kind,
        "body": change.body,
    }
    return [{"q": stands, "u": {"$set": marked}}]


def emptied(message_id: int, sender: str, by: int) -> Document:
    """The statement that takes the body of a message away."""
    return {"q": {"_id": Int64(message_id), "sender": sender}, "u": _gone(by)}


def _gone(by: int) -> Document:
    return {"$max": {"recalled_by": Int64(by)}, "$set": {"body": b""}}
