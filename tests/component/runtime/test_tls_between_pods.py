"""Pods know each other by the authority of their certificates, also while these are renewed."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.tls_client import shakes_hands, shown, speaks_1_1
from tests.waiting import PATIENCE_SECONDS, until
from whimbrel.local.certificates import Authority
from whimbrel.runtime.channels import open_channel
from whimbrel.runtime.chassis import Chassis
from whimbrel.runtime.serve import ServiceFailedError, ServiceSpec
from whimbrel.runtime.settings import PodSettings, ServiceSettings
from whimbrel.runtime.tls import Dial, dialer
from whimbrel.runtime.tls_settings import CertificateSettings, TlsSettings
from whimbrel.testing.servers import running_service

SERVING = health_pb2.HealthCheckResponse.SERVING
NOTHING = health_pb2.HealthCheckRequest()


async def nothing(_: ServiceSettings, chassis: Chassis) -> None:
    chassis.serves("toy.v1.ToyService")


POD = ServiceSpec("toy", ServiceSettings, nothing)


def settings(tls: TlsSettings) -> ServiceSettings:
    return ServiceSettings(pod=PodSettings(listen="127.0.0.1:0", grace_seconds=1.0), tls=tls)


async def refusal(dial: Dial, address: str) -> grpc.StatusCode:
    async with dial(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await health_pb2_grpc.HealthStub(channel).Check(NOTHING, timeout=5)
    return error.value.code()


async def answer(dial: Dial, address: str) -> int:
    async with dial(address) as channel:
        got = await health_pb2_grpc.HealthStub(channel).Check(NOTHING, timeout=PATIENCE_SECONDS)
    return int(got.status)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


async def test_a_pod_answers_pods_of_its_authority_alone(
    authority: Authority, tmp_path: Path
) -> None:
    ours = dialer(authority.issue("caller"))
    stranger = Authority(tmp_path / "theirs").issue("caller")
    # Who believes us, but shows a certificate of somebody else.
    impostor = dialer(stranger.model_copy(update={"ca": authority.ca_file}))
    async with running_service(POD, settings(authority.issue("pod"))) as chassis:
        assert await answer(ours, chassis.address) == SERVING
        assert await answer(chassis.dial, chassis.address) == SERVING
        assert await refusal(open_channel, chassis.address) is grpc.StatusCode.UNAVAILABLE
        assert await refusal(impostor, chassis.address) is grpc.StatusCode.UNAVAILABLE
        assert await refusal(dialer(stranger), chassis.address) is grpc.StatusCode.UNAVAILABLE
        # Certificates are what it takes: without one of its own nobody gets in.
        assert not await shakes_hands(chassis.address, authority.ca_file)


async def test_whoever_is_no_pod_is_not_called_although_the_authority_knows_it(
    authority: Authority,
) -> None:
    dial = dialer(authority.issue("caller"))
    other = authority.issue("other", "localhost", "127.0.0.1")
    async with running_service(POD, settings(other)) as chassis:
        assert await refusal(dial, chassis.address) is grpc.StatusCode.UNAVAILABLE


async def test_a_renewed_certificate_is_shown_and_used_and_what_runs_goes_on(
    authority: Authority, tmp_path: Path
) -> None:
    tls = authority.issue("pod")
    caller = authority.issue("caller")
    forgotten = authority.issue("forgotten")
    async with (
        running_service(POD, settings(tls)) as chassis,
        dialer(caller)(chassis.address) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(NOTHING)
        assert (await watch.read()).status == SERVING
        before = await shown(chassis.address, authority.ca_file, caller)

        authority.issue("pod")

        async def is_another() -> bool:
            return await shown(chassis.address, authority.ca_file, caller) != before

        await until(is_another)

        # Another authority takes over: both are believed for a while, then the new one alone.
        heir = Authority(tmp_path / "heir")
        old_ca = authority.ca_file.read_bytes()
        authority.ca_file.write_bytes(old_ca + heir.ca_file.read_bytes())
        for name, old in (("pod", tls), ("caller", caller)):
            new = heir.issue(name)
            replace(new, old)

        async def is_the_heirs() -> bool:
            return await shakes_hands(chassis.address, heir.ca_file, caller)

        await until(is_the_heirs)
        assert await shakes_hands(chassis.address, heir.ca_file, forgotten)
        authority.ca_file.write_bytes(heir.ca_file.read_bytes())

        async def old_authority_is_gone() -> bool:
            return not await shakes_hands(chassis.address, heir.ca_file, forgotten)

        await until(old_authority_is_gone)
        # The same stub: its channel was opened with what nobody believes any more.
        assert (await stub.Check(NOTHING, timeout=PATIENCE_SECONDS)).status == SERVING

        await chassis.set_serving(False)
        changed = await asyncio.wait_for(watch.read(), PATIENCE_SECONDS)
        assert changed.status == health_pb2.HealthCheckResponse.NOT_SERVING, "the old stream lives"
        watch.cancel()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
@pytest.mark.parametrize("asks_for_pods", [True, False], ids=["pods", "clients"])
async def test_nothing_older_than_tls_1_2_is_spoken(
    authority: Authority, asks_for_pods: bool
) -> None:
    tls = authority.issue("pod")
    toy = ServiceSpec("toy", ServiceSettings, nothing, client_facing=not asks_for_pods)
    shows = settings(tls).model_copy(
        update={"client_tls": CertificateSettings(certificate=tls.certificate, key=tls.key)}
    )
    async with running_service(toy, shows) as chassis:
        for version, is_spoken in (
            (ssl.TLSVersion.TLSv1_1, False),
            (ssl.TLSVersion.TLSv1_2, True),
            (ssl.TLSVersion.TLSv1_3, True),
        ):
            spoken = await shakes_hands(chassis.address, authority.ca_file, tls, version)
            assert spoken is is_spoken, version
    # The same client does speak TLS 1.1, to a server that would.
    assert await speaks_1_1(authority.ca_file, tls)


async def test_probes_find_the_health_without_a_certificate(authority: Authority) -> None:
    tls = authority.issue("pod").model_copy(update={"health_listen": "127.0.0.1:0"})
    async with running_service(POD, settings(tls)) as chassis:
        assert await answer(open_channel, chassis.health_address) == SERVING
        await chassis.set_serving(False)
        not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
        assert await answer(open_channel, chassis.health_address) == not_serving


async def test_certificates_that_cannot_be_used_end_the_start(authority: Authority) -> None:
    tls = authority.issue("pod")
    other = authority.issue("other")
    for changed, why in (
        ({"key": other.key}, "is not the key of the certificate"),
        ({"certificate": tls.key}, "holds no certificate"),
        ({"key": tls.certificate}, "holds no private key"),
        ({"ca": Path("/nowhere/ca.pem")}, "cannot be read"),
    ):
        with pytest.raises(ServiceFailedError, match=why):
            async with running_service(POD, settings(tls.model_copy(update=changed))):
                pass


@pytest.mark.parametrize("left_out", ["certificate", "key", "ca"])
def test_half_of_the_settings_is_refused(authority: Authority, left_out: str) -> None:
    given = authority.issue("pod").model_dump()
    with pytest.raises(ValueError, match="must be set together"):
        TlsSettings(**{**given, left_out: None})


def replace(new: TlsSettings, old: TlsSettings) -> None:
    assert new.key is not None
    assert new.certificate is not None
    assert old.key is not None
    assert old.certificate is not None
    new.key.replace(old.key)
    new.certificate.replace(old.certificate)
