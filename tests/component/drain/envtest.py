"""A real kube-apiserver with etcd, from the folder that KUBEBUILDER_ASSETS names.

The usual convention of controller tests: the folder holds the programs `etcd` and
`kube-apiserver` (tried with 1.31). Nothing runs pods there: what a controller or a
kubelet would do, tests do.
"""

from __future__ import annotations

import os
import secrets
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.component.drain.kube_world import ApiServer
from tests.waiting import until_blocking

VARIABLE: Final = "KUBEBUILDER_ASSETS"
PROGRAMS: Final = ("etcd", "kube-apiserver")
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0


def missing_assets(programs: Sequence[str] = PROGRAMS) -> str | None:
    """Why the real server cannot be had, for people; None when it can."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return f"{VARIABLE} is not set: it names a folder with {', '.join(programs)}"
    absent = [each for each in programs if not os.access(Path(folder) / each, os.X_OK)]
    return f"{VARIABLE}={folder} has no {', '.join(absent)}" if absent else None


@contextmanager
def real_api_server(folder: Path) -> Iterator[ApiServer]:
    """Both processes, with their data and logs in `folder`, until the end of the block."""
    assets = Path(os.environ[VARIABLE])
    client, peer, port = free_port(), free_port(), free_port()
    admin, controller = secrets.token_hex(16), secrets.token_hex(16)
    tokens = folder / "tokens.csv"
    tokens.write_text(f'{admin},admin,1,"system:masters"\n{controller},controller,2\n')
    key = _signing_key(folder)
    etcd_url = f"http://127.0.0.1:{client}"
    with ExitStack() as stack:
        start_program(
            stack,
            folder / "etcd.log",
            str(assets / "etcd"),
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls={etcd_url}",
            f"--advertise-client-urls={etcd_url}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
        )
        log = folder / "kube-apiserver.log"
        server = start_program(
            stack,
            log,
            str(assets / "kube-apiserver"),
            f"--etcd-servers={etcd_url}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={folder / 'certificates'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={key}",
            f"--service-account-key-file={key}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
        )
        url = f"https://127.0.0.1:{port}"
        _wait_ready(url, admin, server, log)
        yield ApiServer(url, admin, controller, is_real=True)


def start_program(stack: ExitStack, log: Path, *command: str) -> subprocess.Popen[bytes]:
    """Runs it until the stack closes, with both outputs in `log`."""
    output = stack.enter_context(log.open("wb"))
    process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    stack.callback(_stop, process)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_STOP_SECONDS)


def _wait_ready(url: str, token: str, server: subprocess.Popen[bytes], log: Path) -> None:
    context = ssl._create_unverified_context()
    request = urllib.request.Request(f"{url}/readyz", headers={"Authorization": f"Bearer {token}"})

    def is_ready() -> bool:
        try:
            with urllib.request.urlopen(request, context=context, timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    with suppress(TimeoutError):
        until_blocking(lambda: server.poll() is not None or is_ready(), seconds=_START_SECONDS)
        if server.poll() is None:
            return
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    raise RuntimeError(f"kube-apiserver did not become ready; its last words:\n{tail}")


def _signing_key(folder: Path) -> Path:
    """For service account tokens, without which the server does not start."""
    path = folder / "service-account.key"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    return path


def free_port() -> int:
    """Free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
