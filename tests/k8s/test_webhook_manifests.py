"""Webhooks on a cluster: those who speak to the backend have their settings and the way out, and
nobody else has."""

from __future__ import annotations

from services.logic.settings import LogicSettings
from services.push.settings import PushSettings
from tests.k8s.manifests import ROLES, selects, with_component
from whimbrel.runtime.webhook_settings import WebhookSettings

TALKING = ("logic", "push")
_GROUP = "WHIMBREL_WEBHOOKS__"


def settings_of(role: str) -> WebhookSettings:
    manifests = with_component("webhooks")
    environment = manifests.environment(manifests.workload(role))
    return WebhookSettings.model_validate(
        {
            name.removeprefix(_GROUP).lower(): value
            for name, value in environment.items()
            if name.startswith(_GROUP)
        }
    )


def test_logic_asks_and_records_and_push_delivers_to_the_same_backend() -> None:
    logic, push = settings_of("logic"), settings_of("push")
    assert logic.before_send_url.startswith("https://")
    assert logic.events_url == push.events_url != ""
    assert not push.before_send_url
    assert logic.wanted_events == WebhookSettings().wanted_events, "what a plain set-up has"
    assert {"webhooks"} <= LogicSettings.model_fields.keys() & PushSettings.model_fields.keys()


def test_the_secrets_are_mounted_from_a_secret_where_the_settings_look_for_them() -> None:
    manifests = with_component("webhooks")
    for role in TALKING:
        pod = manifests.workload(role).pod
        (volume,) = [one for one in pod["volumes"] if one["name"] == "webhook-secrets"]
        assert volume["secret"] == {"secretName": "whimbrel-webhooks", "defaultMode": 0o440}
        mounts = manifests.workload(role).container["volumeMounts"]
        (mount,) = [one for one in mounts if one["name"] == "webhook-secrets"]
        assert mount["readOnly"] is True
        assert str(settings_of(role).secrets_file) == f"{mount['mountPath']}/secrets"


def test_those_two_reach_the_internet_by_https_and_nothing_that_stands_beside_us() -> None:
    manifests = with_component("webhooks")
    policy = manifests.one("NetworkPolicy", "webhooks")["spec"]
    assert policy["policyTypes"] == ["Egress"]
    selected = [
        role for role in ROLES if selects(policy["podSelector"], manifests.workload(role).labels)
    ]
    assert selected == list(TALKING)
    (rule,) = policy["egress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 443}]
    (peer,) = rule["to"]
    private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"}
    assert private <= set(peer["ipBlock"]["except"])


def test_without_the_component_nobody_has_a_webhook_or_a_way_to_one() -> None:
    manifests = with_component("push-providers")
    for role in TALKING:
        environment = manifests.environment(manifests.workload(role))
        assert not [name for name in environment if name.startswith(_GROUP)]
    names = [one["metadata"]["name"] for one in manifests.of("NetworkPolicy")]
    assert "webhooks" not in names
