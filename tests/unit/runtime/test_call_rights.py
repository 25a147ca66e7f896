"""The table of who may call what is what the code calls: no more, and nothing forgotten."""

from __future__ import annotations

import ast
import importlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest

from whimbrel.runtime.call_rights import CALLERS_OF, FOR_EVERY_POD, MAY_CALL

ROOT: Final = Path(__file__).resolve().parents[3]
FOLDERS: Final = {"operator": "whimbrel/cli", "supervisor": "whimbrel/local"}
"""Where the callers are that are no service."""
OF_CLIENTS: Final = {"whimbrel.api.access.v1.AccessService"}
"""Served to clients, who have no certificates, at a port of their own."""
UNCALLED: Final = {
    "/whimbrel.api.router.v1.RouterService/ChooseEndpoints",
    "/whimbrel.api.social.v1.SocialService/FilterVisible",
}
"""Served, and called by no pod."""


def contract() -> dict[str, dict[str, frozenset[str]]]:
    """Of each package's short name of a service: its full name, and the methods."""
    found: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)
    for path in sorted((ROOT / "protos").rglob("*.proto")):
        name = ".".join(path.relative_to(ROOT / "protos").with_suffix("").parts) + "_pb2"
        for service in importlib.import_module(name).DESCRIPTOR.services_by_name.values():
            methods = frozenset(method.name for method in service.methods)
            found[service.name][service.full_name] = methods
    return found


SERVICES: Final = contract()


def sources(role: str) -> Iterator[Path]:
    """The files of a role, and those of shared rooms that these import."""
    own = list((ROOT / FOLDERS.get(role, f"services/{role}")).rglob("*.py"))
    yield from own
    for name in {name for path in own for name in imported(path)}:
        path = ROOT / f"{name.replace('.', '/')}.py"
        if name.startswith(("whimbrel.runtime.", "whimbrel.local.cluster")) and path.exists():
            yield path


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def called(paths: Iterable[Path]) -> dict[str, frozenset[str]]:
    """By service of which there is a stub, the methods that are named as attributes."""
    words: set[str] = set()
    attributes: set[str] = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                attributes.add(node.attr)
            elif isinstance(node, ast.Name):
                words.add(node.id)
    stubs = {word.removesuffix("Stub") for word in words | attributes if word.endswith("Stub")}
    return {
        full_name: methods & attributes
        for stub in stubs & SERVICES.keys()
        for full_name, methods in SERVICES[stub].items()
        if methods & attributes
    }


@pytest.mark.parametrize("role", sorted(MAY_CALL))
def test_a_role_may_call_what_its_code_calls_and_nothing_else(role: str) -> None:
    assert dict(MAY_CALL[role]) == called(sources(role))


def test_every_role_is_in_the_table() -> None:
    services = {path.parent.name for path in (ROOT / "services").glob("*/__main__.py")}
    assert set(MAY_CALL) == services | FOLDERS.keys()


def test_no_method_of_the_contract_is_forgotten() -> None:
    between_pods = {
        f"/{full_name}/{method}"
        for services in SERVICES.values()
        for full_name, methods in services.items()
        if full_name not in OF_CLIENTS
        for method in methods
    }
    assert len(between_pods) > 70
    assert between_pods == CALLERS_OF.keys() | UNCALLED
    assert not CALLERS_OF.keys() & UNCALLED


def test_what_every_pod_may_ask_are_no_services_of_ours() -> None:
    ours = {full_name for services in SERVICES.values() for full_name in services}
    assert not FOR_EVERY_POD & ours
