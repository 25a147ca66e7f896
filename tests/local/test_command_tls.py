"""`whimbrel up --tls`: every command knows whom to believe, and nothing else is asked for."""

from __future__ import annotations

import json
from pathlib import Path

from tests.local.test_command import Terminal, terminal

__all__ = ["terminal"]


def secret_of(name: str, data: Path) -> Path:
    """A folder with this certificate of the stack's, as a Secret of cert-manager has it."""
    folder = data / "secrets" / name
    folder.mkdir(parents=True)
    files = {"tls.crt": f"{name}.pem", "tls.key": f"{name}.key", "ca.crt": "ca.pem"}
    for file, made in files.items():
        (folder / file).write_bytes((data / "tls" / made).read_bytes())
    return folder


async def test_the_commands_talk_to_a_stack_with_tls(terminal: Terminal, tmp_path: Path) -> None:
    started = await terminal.done("up", "--detach", "--tls", "--push", "0")
    assert "believe" in started
    status = json.loads(await terminal.done("status", "--json"))
    ca_file = tmp_path / "tls" / "ca.pem"
    assert status["ca_file"] == str(ca_file)
    assert status["gateway"].startswith("https://127.0.0.1:")
    assert "stored as" in await terminal.done("send", "--as", "alice", "bob", "hello")
    event = json.loads(
        await terminal.done("listen", "--as", "bob", "--all", "--count", "1", "--json")
    )
    assert event["text"] == "hello"
    pods = json.loads(await terminal.done("pods", "--json"))
    assert {"access-0", "logic-0", "gateway-0", "drain-0"} <= {pod["pod"] for pod in pods}
    await terminal.done("user", "add", "alice", "--password", "correct horse")
    assert "alice" in await terminal.done("user", "list")
    assert "logins of alice have ended" in await terminal.done("user", "log-out", "alice")
    assert json.loads(await terminal.done("drains", "--json"))["plans"] == []
    picture = tmp_path / "note.txt"
    picture.write_text("a note")
    await terminal.done("upload", str(picture), "--as", "alice")
    assert "hello" in await terminal.done("history", "alice", "--as", "bob")

    # As an operator elsewhere, with the files that Kubernetes keeps in a Secret.
    (address,) = (pod["address"] for pod in pods if pod["pod"] == "drain-0")
    asked = ("drains", "--json", "--controller", address)
    operator = secret_of("operator", tmp_path)
    shown = await terminal.done(*asked, "--certificates", str(operator))
    assert json.loads(shown)["plans"] == []
    other = await terminal.run(*asked, "--certificates", str(secret_of("logic-0", tmp_path)))
    assert (other.status, "only operator may" in other.err) == (1, True), other.err
    plain = await terminal.run(*asked)
    assert (plain.status, "--certificates" in plain.err) == (1, True), plain.err
    (operator / "tls.key").unlink()
    torn = await terminal.run(*asked, "--certificates", str(operator))
    assert (torn.status, "operator/tls.key" in torn.err) == (1, True), torn.err

    # As a client elsewhere: it is told where, as whom, and whom to believe.
    token = (await terminal.done("token", "carol")).strip()
    elsewhere = ("--endpoint", status["endpoints"][0], "--token", token)
    said = ("send", "bob", "hi", *elsewhere)
    assert "stored as" in await terminal.done(*said, "--ca", str(ca_file))
    wrong = await terminal.run(*said, "--ca", "/nowhere.pem")
    assert (wrong.status, "--ca must name a file" in wrong.err) == (2, True)
    await terminal.done("down")


async def test_keys_are_changed_by_commands(terminal: Terminal, tmp_path: Path) -> None:
    files = ("--signing", str(tmp_path / "s.json"), "--public", str(tmp_path / "p.json"))
    first = (await terminal.done("keys", "add", *files)).strip()
    second = (await terminal.done("keys", "add", *files)).strip()
    await terminal.done("keys", "promote", second, *files)
    rows = json.loads(await terminal.done("keys", "list", "--json", *files))
    assert [(row["key_id"], row["signs"]) for row in rows] == [(second, True), (first, False)]
    early = await terminal.run("keys", "retire", first, *files)
    assert early.status == 1
    assert "--after 0" in early.err
    await terminal.done("keys", "retire", first, "--after", "0", *files)
    assert len(json.loads(await terminal.done("keys", "list", "--json", *files))) == 1
    assert (await terminal.run("keys", "list", "--signing", "x")).status == 2
