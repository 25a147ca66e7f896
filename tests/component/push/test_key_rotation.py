"""A key that is replaced while a push pod runs is used within seconds; one that is none changes
nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError
from structlog.testing import capture_logs

from services.push.adapters.made_of_files import LOOK_SECONDS, MadeOfFiles
from services.push.domain.outcomes import DELIVERED, Outcome, Result
from services.push.parts import apns_provider, fcm_provider, webhook_provider
from services.push.provider_settings import ApnsSettings, FcmSettings, WebhookProviderSettings
from services.push.wake_ports import Provider
from tests.component.push.notifications import notification
from whimbrel.runtime.outbound_http import OutboundHttp
from whimbrel.testing.push_providers.apns_server import ApnsServer, running_apns
from whimbrel.testing.push_providers.certificates import make_certificate, make_key
from whimbrel.testing.push_providers.fcm_server import running_fcm
from whimbrel.testing.push_providers.web_servers import SECRET, running_webhook

PHONE = "a1" * 32
OLD, NEW = "OLDKEYID01", "NEWKEYID02"


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def look_again(self) -> None:
        self.now += LOOK_SECONDS


class Secret:
    """A Secret as a pod has it mounted: names that lead through one link, which is swapped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._revision = 0

    def file(self, name: str) -> Path:
        return self._folder / "..data" / name

    def revise(self, write: Callable[[Path], None]) -> None:
        """A new revision with what `write` puts into its folder."""
        self._revision += 1
        revision = self._folder / f"..{self._revision}"
        revision.mkdir()
        write(revision)
        link = self._folder / "..new"
        link.symlink_to(revision.name)
        link.replace(self._folder / "..data")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def secret(tmp_path: Path) -> Secret:
    folder = tmp_path / "secret"
    folder.mkdir()
    return Secret(folder)


@pytest.fixture
async def http() -> AsyncIterator[OutboundHttp]:
    made = OutboundHttp(allows_private_networks=True, timeout_seconds=5)
    yield made
    await made.close()


async def test_a_rotated_key_of_apns_signs_on_the_same_connection(
    tmp_path: Path, secret: Secret, clock: Clock
) -> None:
    certificate = make_certificate(tmp_path)
    server = ApnsServer(make_key(tmp_path / "unused"), OLD, "TEAM123456", "org.example.app")

    def rotate(key_id: str) -> None:
        def write(folder: Path) -> None:
            server.public_key = make_key(folder / "apns.p8")
            (folder / "apns-key-id").write_text(f"{key_id}\n")

        secret.revise(write)
        server.key_id = key_id
        server.tokens.clear()

    rotate(OLD)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running_apns(server, certificate.server_context(["h2"])))
        settings = ApnsSettings(
            key_file=secret.file("apns.p8"),
            key_id_file=secret.file("apns-key-id"),
            team_id="TEAM123456",
            topic="org.example.app",
            host="127.0.0.1",
            port=server.port,
            ca_file=certificate.certificate,
        )
        provider = apns_provider(settings, clock=clock)
        stack.push_async_callback(provider.close)
        assert await provider.send(notification(PHONE)) == DELIVERED
        rotate(NEW)
        refused = Outcome(Result.UNAVAILABLE, "InvalidProviderToken")
        assert await provider.send(notification(PHONE)) == refused, "it looks every few seconds"
        clock.look_again()
        assert await provider.send(notification(PHONE)) == DELIVERED
        assert server.connections == 1


async def test_a_rotated_service_account_gets_a_token_of_its_own(
    secret: Secret, clock: Clock, http: OutboundHttp
) -> None:
    async with running_fcm() as server:

        def rotate() -> None:
            server.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            server.revoked |= set(server.issued)
            secret.revise(lambda folder: _done(server.write_service_account(folder / "fcm.json")))

        rotate()
        settings = FcmSettings(service_account_file=secret.file("fcm.json"), url=server.url)
        provider = fcm_provider(settings, http, clock=clock)
        assert await provider.send(notification("token-1")) == DELIVERED
        rotate()
        clock.look_again()
        assert await provider.send(notification("token-1")) == DELIVERED
        assert len(server.issued) == 2


@pytest.fixture
async def webhook(
    secret: Secret, clock: Clock, http: OutboundHttp
) -> AsyncIterator[tuple[Provider, str]]:
    """A provider whose secret is wrong at first, and the URL of a server that verifies."""
    secret.revise(lambda folder: _done((folder / "webhook").write_text("whsec_" + "A" * 32)))
    settings = WebhookProviderSettings(
        secret_file=secret.file("webhook"), allows_private_networks=True
    )
    async with running_webhook() as server:
        yield webhook_provider(settings, http, clock=clock), server.url


async def test_a_rotated_secret_signs_the_next_webhook(
    webhook: tuple[Provider, str], secret: Secret, clock: Clock
) -> None:
    provider, url = webhook
    assert (await provider.send(notification(url))).result is Result.REFUSED
    secret.revise(lambda folder: _done((folder / "webhook").write_text(SECRET)))
    clock.look_again()
    assert await provider.send(notification(url)) == DELIVERED


async def test_a_file_that_is_gone_or_holds_no_key_changes_nothing_and_is_said_once(
    webhook: tuple[Provider, str], secret: Secret, clock: Clock
) -> None:
    provider, url = webhook
    secret.revise(lambda folder: _done((folder / "webhook").write_text(SECRET)))
    clock.look_again()
    assert await provider.send(notification(url)) == DELIVERED
    with capture_logs() as logs:
        secret.revise(lambda folder: _done((folder / "webhook").write_text("no secret: ä")))
        for _ in range(3):
            clock.look_again()
            assert await provider.send(notification(url)) == DELIVERED
        secret.revise(lambda _: None)
        for _ in range(3):
            clock.look_again()
            assert await provider.send(notification(url)) == DELIVERED
        secret.revise(lambda folder: _done((folder / "webhook").write_text(SECRET)))
        clock.look_again()
        assert await provider.send(notification(url)) == DELIVERED
    events = [one["event"] for one in logs if one["event"].startswith("push_key")]
    assert events == ["push_key_not_read", "push_key_not_read", "push_key_changed"]
    assert "no secret" not in str(logs)
    assert SECRET not in str(logs)


def test_files_that_hold_the_same_make_nothing_new(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"one")
    made = MadeOfFiles([path], lambda content: [content], clock=clock)
    first = made.current()
    path.write_bytes(b"one")
    clock.look_again()
    assert made.current() is first
    path.write_bytes(b"two")
    assert made.current() is first
    clock.look_again()
    assert made.current() == [b"two"]


def test_a_key_of_apns_has_one_id_in_one_place(tmp_path: Path) -> None:
    wanted = {"key_file": tmp_path, "team_id": "TEAM123456", "topic": "org.example.app"}
    for ids in ({}, {"key_id": OLD, "key_id_file": tmp_path}):
        with pytest.raises(ValidationError, match="exactly one of key_id and key_id_file"):
            ApnsSettings.model_validate({**wanted, **ids})
    (tmp_path / "id").write_text("not an id")
    make_key(tmp_path / "key")
    settings = ApnsSettings.model_validate(
        {**wanted, "key_file": tmp_path / "key", "key_id_file": tmp_path / "id"}
    )
    with pytest.raises(ValueError, match="key's id"):
        apns_provider(settings)


def _done(_: object) -> None:
    """What a writer of files answers is of no interest."""
