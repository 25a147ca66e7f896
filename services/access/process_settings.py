"""In how many processes an Access pod runs, and what its parent tells each of them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from whimbrel.runtime.settings_group import SettingsGroup

MOST_PROCESSES = 32


class ProcessSettings(SettingsGroup):
    """The processes of the pod."""

    processes: Annotated[int, Field(ge=1, le=MOST_PROCESSES)] = 1
    """Processes that share the pod's port for clients, and its budgets. Default 1: a process
    keeps one core busy, and a pod with one core gains nothing by a second. One for each core that
    the pod has to itself; with two or more a parent keeps them (docs/operations/processes.md)."""
    process_of: str = ""
    """Set by the parent, and by nobody else: the name of the pod that this process is a part of.
    Default: the process is the whole pod."""
    incarnation: str = ""
    """Set by the parent: names this start of the pod."""

    @model_validator(mode="after")
    def _names_the_start_of_its_pod(self) -> Self:
        if bool(self.process_of) != bool(self.incarnation):
            raise ValueError("process_of and incarnation are set together, and by the parent alone")
        return self

    @property
    def has_parent(self) -> bool:
        """Whether this is one of several processes."""
        return bool(self.process_of)
