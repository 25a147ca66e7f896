"""What every group of settings is made of: the base class, and the values that several share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def check_address(value: str) -> str:
    """The value if it is host:port; ValueError otherwise."""
    host, colon, port = value.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 65536):
        raise ValueError(f"{value!r} is not host:port")
    return value


Address = Annotated[str, AfterValidator(check_address)]
Seconds = Annotated[float, Field(gt=0)]


class SettingsGroup(BaseModel):
    """Base of every group: frozen, no unknown fields, docstrings are the descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
