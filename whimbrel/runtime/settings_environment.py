"""How the environment is read: as pydantic-settings does, and WHIMBREL_LOG as a short form."""

from __future__ import annotations

from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

SHORT_FORMS: Final = {"log": "format"}
"""Groups that may be given as one word, and the field that it stands for: WHIMBREL_LOG=json. The
long form beside it (WHIMBREL_LOG__FORMAT) goes before."""


class Environment(EnvSettingsSource):
    """The variables of this process."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """A whole group in one variable: JSON, or the word of a short form."""
        short = SHORT_FORMS.get(field_name)
        if short is not None and isinstance(value, str) and not value.lstrip().startswith("{"):
            return {short: value}
        return super().decode_complex_value(field_name, field, value)
