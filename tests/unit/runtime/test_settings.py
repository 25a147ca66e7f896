"""Settings are read once, completely, and what is wrong is said in sentences."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from whimbrel.runtime.auth_settings import AuthSettings
from whimbrel.runtime.settings import (
    LogSettings,
    PodSettings,
    RedisSettings,
    RouterTarget,
    ServiceSettings,
)
from whimbrel.runtime.settings_loading import SettingsError, load_settings


class ToySettings(ServiceSettings):
    role: ClassVar[str] = "toy"

    redis: RedisSettings
    """Where."""
    router: RouterTarget | None = None
    """Whom to ask."""
    auth: AuthSettings | None = None
    """With what."""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("WHIMBREL_"):
            monkeypatch.delenv(name)


def problems_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> tuple[str, ...]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refusal:
        load_settings(ToySettings)
    return refusal.value.problems


def test_the_environment_fills_groups_and_the_role_names_the_pod(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WHIMBREL_REDIS__URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("WHIMBREL_POD__LISTEN", "127.0.0.1:7000")
    monkeypatch.setenv("WHIMBREL_AUTH__SECRET_FILE", "/etc/secret")
    settings = load_settings(ToySettings)
    assert settings.pod.id == "toy-0"
    assert settings.pod.listen == "127.0.0.1:7000"
    assert settings.redis.timeout_seconds == 1.0
    assert settings.auth is not None
    assert settings.auth.secret_file == Path("/etc/secret")


def test_settings_are_frozen() -> None:
    settings = ToySettings(redis=RedisSettings(url="redis://x"), pod=PodSettings(id="toy-7"))
    assert settings.pod.id == "toy-7"
    with pytest.raises(ValidationError):
        settings.pod = PodSettings()
    with pytest.raises(ValidationError):
        settings.pod.id = "other"


def test_a_misspelt_variable_is_refused_and_the_nearest_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problems = problems_of(
        monkeypatch,
        WHIMBREL_REDIS__URL="redis://x",
        WHIMBREL_REDIS__TIMEOUT_SECOND="2",
        WHIMBREL_POT__ID="x",
    )
    assert problems == (
        "WHIMBREL_POT__ID is not a setting; the nearest that is: WHIMBREL_POD__ID.",
        "WHIMBREL_REDIS__TIMEOUT_SECOND is not a setting; the nearest that is: "
        "WHIMBREL_REDIS__TIMEOUT_SECONDS.",
    )


def test_variables_of_other_services_groups_and_of_the_command_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WHIMBREL_REDIS__URL", "redis://x")
    monkeypatch.setenv("WHIMBREL_MONGO__URL", "mongodb://x")
    monkeypatch.setenv("WHIMBREL_DATA", "/somewhere")
    assert load_settings(ToySettings).redis.url == "redis://x"


def test_everything_that_is_missing_or_wrong_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problems = problems_of(
        monkeypatch,
        WHIMBREL_POD__LISTEN="nowhere",
        WHIMBREL_LOG__LEVEL="loud",
        WHIMBREL_ROUTER__ADDRESSES="router-0",
    )
    assert [problem.split(" ")[0] for problem in problems] == [
        "WHIMBREL_POD__LISTEN",
        "WHIMBREL_LOG__LEVEL",
        "WHIMBREL_REDIS__URL",
        "WHIMBREL_ROUTER__ADDRESSES",
    ]
    assert problems[0] == "WHIMBREL_POD__LISTEN is wrong: 'nowhere' is not host:port."
    assert problems[2].startswith("WHIMBREL_REDIS__URL is missing: redis:// URL.")


def test_a_pod_that_listens_everywhere_must_say_where_it_is_reached() -> None:
    with pytest.raises(ValidationError, match="advertise must be set"):
        PodSettings(listen="0.0.0.0:7000")
    assert PodSettings(listen="0.0.0.0:7000", advertise="10.0.0.7").advertise == "10.0.0.7"


@pytest.mark.parametrize("pod_id", ["a b", "a|b", "x" * 65])
def test_a_pod_id_is_a_name(pod_id: str) -> None:
    with pytest.raises(ValidationError, match="the pod's id"):
        PodSettings(id=pod_id)


def test_the_format_of_the_logs_has_a_short_form_and_the_long_one_goes_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WHIMBREL_REDIS__URL", "redis://x")
    monkeypatch.setenv("WHIMBREL_LOG", "pretty")
    assert load_settings(ToySettings).log == LogSettings(format="pretty")
    monkeypatch.setenv("WHIMBREL_LOG__LEVEL", "debug")
    assert load_settings(ToySettings).log == LogSettings(format="pretty", level="debug")
    monkeypatch.setenv("WHIMBREL_LOG__FORMAT", "json")
    assert load_settings(ToySettings).log == LogSettings(format="json", level="debug")
    monkeypatch.setenv("WHIMBREL_LOG", '{"level": "error"}')
    assert load_settings(ToySettings).log == LogSettings(format="json", level="debug")


def test_an_unknown_format_is_refused_under_the_name_that_was_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (problem,) = problems_of(monkeypatch, WHIMBREL_REDIS__URL="redis://x", WHIMBREL_LOG="xml")
    assert problem == "WHIMBREL_LOG is wrong: input should be 'json', 'pretty' or 'auto'."
    (problem,) = problems_of(monkeypatch, WHIMBREL_LOG="json", WHIMBREL_LOG__FORMAT="xml")
    assert problem.startswith("WHIMBREL_LOG__FORMAT is wrong: ")
