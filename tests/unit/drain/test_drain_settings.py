"""The controller's own settings, and the one that stands under a name of others."""

from __future__ import annotations

import os

import pytest

from services.drain.settings import DrainSettings
from whimbrel.runtime.settings_loading import SettingsError, load_settings

STANDARD = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("WHIMBREL_", "OTEL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WHIMBREL_ROUTER__ADDRESSES", "127.0.0.1:1")
    monkeypatch.setenv("WHIMBREL_PLATFORM__KIND", "kubernetes")


def test_traces_are_off_unless_the_standard_variable_names_a_collector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load_settings(DrainSettings).otlp_endpoint is None
    monkeypatch.setenv(STANDARD, "http://collector:4317")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "of no concern to us")
    assert load_settings(DrainSettings).otlp_endpoint == "http://collector:4317"


def test_what_is_wrong_with_it_is_said_under_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STANDARD, "collector:4317")
    with pytest.raises(SettingsError) as refusal:
        load_settings(DrainSettings)
    (sentence,) = refusal.value.problems
    assert sentence.startswith(f"{STANDARD} is wrong: ")


def test_it_has_no_second_name_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHIMBREL_OTLP_ENDPOINT", "http://collector:4317")
    with pytest.raises(SettingsError) as refusal:
        load_settings(DrainSettings)
    (sentence,) = refusal.value.problems
    assert "WHIMBREL_OTLP_ENDPOINT is not a setting" in sentence
