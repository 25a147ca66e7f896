"""Reads a settings class from the environment and says in sentences what is wrong.

pydantic-settings ignores a misspelt WHIMBREL_ variable; a setting that silently does nothing is
worse than a refusal, so the names are checked here against the class's declared tree. Must not
log or print values: they may hold passwords.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError as PydanticSettingsError

from whimbrel.runtime.settings import SHARED_GROUPS, ServiceSettings
from whimbrel.runtime.settings_environment import SHORT_FORMS

S = TypeVar("S", bound=ServiceSettings)

_PREFIX = "WHIMBREL_"
_OF_THE_COMMAND = frozenset({"WHIMBREL_DATA"})
"""Variables of the `whimbrel` command itself, which a service started by it inherits."""

_SHORT = {
    f"{_PREFIX}{group.upper()}": f"{_PREFIX}{group.upper()}__{field.upper()}"
    for group, field in SHORT_FORMS.items()
}
"""Short forms, and what they stand for."""


class SettingsError(Exception):
    """The settings cannot be used; `problems` has one sentence for each thing to change."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(self.problems))


def load_settings(settings_class: type[S]) -> S:
    """Read the class from the environment, or raise SettingsError with every problem at once."""
    problems = unknown_variables(settings_class, os.environ)
    try:
        settings = settings_class()
    except ValidationError as error:
        problems += _sentences(settings_class, error)
    except PydanticSettingsError as error:
        problems.append(f"{error}.")
    else:
        if not problems:
            return settings
    raise SettingsError(dict.fromkeys(problems))


def unknown_variables(
    settings_class: type[ServiceSettings], environ: Mapping[str, str]
) -> list[str]:
    """One sentence for each WHIMBREL_ variable that means nothing, naming the nearest known one.

    Variables of shared groups that this service does not use are known: one environment may
    serve several services.
    """
    known = set(_variables(settings_class)) | _OF_THE_COMMAND | _SHORT.keys()
    for name, group in SHARED_GROUPS.items():
        known.update(_variables(group, f"{_PREFIX}{name.upper()}__"))
    sentences = []
    for name in sorted(environ):
        if name.upper().startswith(_PREFIX) and name.upper() not in known:
            near = get_close_matches(name.upper(), sorted(known), n=1, cutoff=0.0)
            sentences.append(f"{name} is not a setting; the nearest that is: {near[0]}.")
    return sentences


def _variables(model: type[BaseModel], prefix: str = _PREFIX) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if field.validation_alias is not None:
            continue  # a standard variable of others, under its own name
        variable = f"{prefix}{name.upper()}"
        group = _group(field.annotation)
        if group is None:
            yield variable
        else:
            yield from _variables(group, f"{variable}__")


def _group(annotation: object) -> type[BaseModel] | None:
    """The group that a field holds, also when it is optional (`RedisSettings | None`)."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _field(model: type[BaseModel], name: str) -> FieldInfo | None:
    """A field by its name, or by the standard variable that it stands under."""
    for known, field in model.model_fields.items():
        if name in (known, field.validation_alias):
            return field
    return None


def _sentences(model: type[BaseModel], error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        yield from _sentence(model, problem)


def _sentence(model: type[BaseModel], problem: ErrorDetails) -> Iterator[str]:
    variable = _PREFIX.removesuffix("_")
    delimiter = "_"
    description = ""
    group: type[BaseModel] | None = model
    for part in problem["loc"]:
        field = _field(group, str(part)) if group else None
        is_standard = field is not None and field.validation_alias is not None
        variable = str(part) if is_standard else f"{variable}{delimiter}{str(part).upper()}"
        delimiter = "__"
        description = " ".join((field.description or "").split()) if field else ""
        group = _group(field.annotation) if field else None
    if problem["type"] == "missing":
        if group is not None:  # nothing of the group is set: name what it cannot do without
            for name, field in group.model_fields.items():
                if field.is_required():
                    inner = " ".join((field.description or "").split())
                    yield f"{variable}__{name.upper()} is missing: {inner}"
            return
        yield f"{variable} is missing: {description}"
    elif problem["type"] != "extra_forbidden":  # unknown_variables has said it better
        for short, long in _SHORT.items():
            if variable == long and long not in os.environ:
                variable = short  # so it was said
        reason = problem["msg"].removeprefix("Value error, ")
        yield f"{variable} is wrong: {reason[:1].lower()}{reason[1:]}."
