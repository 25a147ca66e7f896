"""Limits to a user's devices, as the environment says them."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.access.settings import AccessSettings, DeviceSettings
from whimbrel.runtime.settings_loading import SettingsError, load_settings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WHIMBREL_ROUTER__ADDRESSES", "127.0.0.1:1")
    monkeypatch.setenv("WHIMBREL_AUTH__SECRET_FILE", str(tmp_path / "secret"))


def test_there_are_no_limits_unless_somebody_says_so() -> None:
    devices = load_settings(AccessSettings).devices
    assert devices.limit_of("phone") == devices.limit_of("other") == 0
    assert not devices.refuses("phone")


def test_each_platform_has_its_limit_and_its_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHIMBREL_DEVICES__LIMITS", '{"phone": 1, "desktop": 5}')
    monkeypatch.setenv("WHIMBREL_DEVICES__POLICY", "refuse")
    monkeypatch.setenv("WHIMBREL_DEVICES__POLICIES", '{"phone": "kick_oldest"}')
    devices = load_settings(AccessSettings).devices
    assert (devices.limit_of("phone"), devices.refuses("phone")) == (1, False)
    assert (devices.limit_of("desktop"), devices.refuses("desktop")) == (5, True)
    assert devices.limit_of("web") == 0


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LIMITS", '{"phone": 0}', "greater than or equal to 1"),
        ("LIMITS", '{"my phone": 1}', "platform must be"),
        ("POLICY", "kick_newest", "'kick_oldest' or 'refuse'"),
        ("POLICIES", '{"desktop": "refuse"}', "which has no limit"),
        ("LIMITS__PHONE", "1", "the nearest that is"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"WHIMBREL_DEVICES__{name}", value)
    with pytest.raises(SettingsError) as error:
        load_settings(AccessSettings)
    assert any(said in problem for problem in error.value.problems), error.value.problems


def test_a_platform_without_a_name_is_other() -> None:
    assert DeviceSettings(limits={"": 2}).limit_of("other") == 2
