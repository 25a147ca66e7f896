"""A server that speaks S3, in this process, for the tests that ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from services.gateway.media_settings import MediaSettings

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "whimbrel",
    "AWS_SECRET_ACCESS_KEY": "whimbrel-secret",  # of a server that takes any
}


@contextmanager
def s3_server(environment: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of a server; the environment has credentials for it meanwhile, as a pod's would."""
    for name, value in CREDENTIALS.items():
        environment.setenv(name, value)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def new_bucket(endpoint: str, **others: object) -> MediaSettings:
    """Settings that name a bucket of this server, which is empty."""
    bucket = f"media-{uuid4().hex[:12]}"
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket=bucket)
    return MediaSettings.model_validate(
        {"storage": "s3", "bucket": bucket, "endpoint": endpoint, **others}
    )
