"""The types of fields that several routes take: what a name is, how long a text may be."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NAME_PATTERN = r"^[A-Za-z0-9_.\-]{1,64}$"
"""As `whimbrel.core.names` has it: user ids, device ids, client ids."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""1 to 64 of A-Z a-z 0-9 _ . -"""
Id64 = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}$")]
"""A 64-bit id as a decimal string: JSON readers lose the low bits of such numbers."""
ShownName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\x00]*$"),
]
"""What people see: 1 to 64 characters, none of them NUL."""
Platform = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]{1,16}$")]
Secret = Annotated[str, Field(min_length=1, max_length=1024)]
"""A password as it is typed."""
PathName = Annotated[str, Path(pattern=NAME_PATTERN)]
_CONVERSATION = r"^[dg]:[A-Za-z0-9_.\-]{1,64}(:[A-Za-z0-9_.\-]{1,64})?$"
ConversationId = Annotated[str, StringConstraints(pattern=_CONVERSATION)]
"""d:USER:USER or g:ID."""
PathConversation = Annotated[str, Path(pattern=_CONVERSATION)]
PageSize = Annotated[int, Query(ge=1, le=100)]
After = Annotated[str, Query(pattern=r"^([A-Za-z0-9_.\-]{1,64})?$")]
"""The last id of the page before; empty for the first page."""
TimeMs = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""Milliseconds since the Unix epoch."""


class RequestBody(BaseModel):
    """Base of all bodies: unknown fields are refused, so that a misspelt one is noticed, and
    nothing is taken for something else (no "7" for 7)."""

    model_config = ConfigDict(extra="forbid", strict=True)
