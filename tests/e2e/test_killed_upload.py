"""The gateway is killed in the middle of an upload: a tus client goes on where HEAD says, and what
is downloaded is what was uploaded, byte for byte."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Iterator

import httpx
import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed
from tusclient.uploader.uploader import Uploader

from tests.s3_server import new_bucket, s3_server
from tests.waiting import until
from whimbrel.local.proxy import PASS, TcpProxy, delayed
from whimbrel.local.stack import Stack, StackSpec

pytestmark = pytest.mark.timeout(180)

MIB = 1024 * 1024
SIZE = 18 * MIB + 4321
KILLED_AT = (2 * MIB, 11 * MIB)
"""On S3 a part has 8 MiB: once before the first one is full, once behind it."""
ROUND_TRIP_SECONDS = 0.05
LEASE_SECONDS = 2


@pytest.fixture(params=["folder", "s3"])
def storage(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """What the gateway is told. The stack has a folder of its own."""
    settings = {
        "WHIMBREL_MEDIA__CHUNK_BYTES": str(MIB),
        "WHIMBREL_MEDIA__LEASE_SECONDS": str(LEASE_SECONDS),
    }
    if request.param == "folder":
        yield settings
        return
    with s3_server(monkeypatch) as endpoint:
        yield {
            **settings,
            "WHIMBREL_MEDIA__STORAGE": "s3",
            "WHIMBREL_MEDIA__ENDPOINT": endpoint,
            "WHIMBREL_MEDIA__BUCKET": new_bucket(endpoint).bucket,
        }


class Upload:
    """A tus client on a slow network before a gateway that is killed."""

    def __init__(self, stack: Stack, network: TcpProxy, http: httpx.AsyncClient) -> None:
        self.content = random.Random(11).randbytes(SIZE)
        self._stack = stack
        self._http = http
        headers = {"authorization": f"Bearer {stack.token('alice')}"}
        self._headers = {**headers, "tus-resumable": "1.0.0"}
        self._client = TusClient(f"http://{network.address}/v1/media", headers=headers)
        self._url = ""

    @property
    def media_id(self) -> str:
        return self._url.rpartition("/")[2]

    async def stands(self) -> int:
        """What HEAD says."""
        answer = await self._http.head(f"/v1/media/{self.media_id}", headers=self._headers)
        answer.raise_for_status()
        return int(answer.headers["upload-offset"])

    async def _is_free(self) -> bool:
        """Whether the lease of whoever wrote last is over: nothing is brought."""
        brings = {
            "content-type": "application/offset+octet-stream",
            "upload-offset": str(await self.stands()),
        }
        path = f"/v1/media/{self.media_id}"
        answer = await self._http.patch(path, headers={**self._headers, **brings})
        assert answer.status_code in (204, 423), answer.text
        return answer.status_code == 204

    async def begin(self) -> None:
        uploader = self._client.uploader(file_stream=io.BytesIO(self.content))
        self._url = await asyncio.to_thread(uploader.create_url)

    async def resume(self) -> Uploader:
        """A new client, which has asked where the upload stands, once the one before is given
        up."""
        await until(self._is_free)
        return await asyncio.to_thread(
            self._client.uploader,
            file_stream=io.BytesIO(self.content),
            url=self._url,
        )

    async def go_on_until_killed(self, at: int) -> None:
        """Upload; once the gateway has `at` bytes it is killed, and started again."""
        uploader = await self.resume()
        uploading = asyncio.create_task(asyncio.to_thread(uploader.upload))
        said = 0

        async def is_there() -> bool:
            nonlocal said
            said = await self.stands()
            return said >= at

        await until(is_there)
        await self._stack.kill("gateway-0")
        with pytest.raises((OSError, TusCommunicationError, TusUploadFailed)):
            await uploading
        await self._stack.wait_healthy(30.0, "gateway-0")
        assert said <= await self.stands() < SIZE

    async def downloaded(self) -> bytes:
        answer = await self._http.get(f"/v1/media/{self.media_id}", headers=self._headers)
        answer.raise_for_status()
        return answer.content


async def test_a_killed_gateway_goes_on_at_the_offset_that_head_says(
    storage: dict[str, str],
) -> None:
    spec = StackSpec(push=0, drain=0, role_environment={"gateway": storage})
    async with (
        Stack.start(spec) as stack,
        TcpProxy(stack.gateway_url.removeprefix("http://")) as network,
        httpx.AsyncClient(base_url=stack.gateway_url, trust_env=False, timeout=30) as http,
    ):
        upload = Upload(stack, network, http)
        network.set_mode(delayed(ROUND_TRIP_SECONDS))
        await upload.begin()
        for at in KILLED_AT:
            await upload.go_on_until_killed(at)
        network.set_mode(PASS)
        last = await upload.resume()
        assert last.offset == await upload.stands()
        await asyncio.to_thread(last.upload)
        assert await upload.downloaded() == upload.content
