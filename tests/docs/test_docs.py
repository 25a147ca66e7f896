"""What the pages claim is so: paths, targets, commands, test names, links, fields, codes.

A page that names something is a reader's way to it, so a name that leads nowhere fails here.
The README's sample has its own file, because it needs a stack.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import chain, product
from pathlib import Path
from typing import Any

import pytest
import typer.main
from google.protobuf.descriptor import Descriptor, EnumDescriptor
from typer.core import TyperGroup

from whimbrel.api.access.v1 import access_pb2
from whimbrel.api.types.v1 import types_pb2
from whimbrel.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "k8s" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
TOP_FOLDERS = {".ci", "bench", "docs", "k8s", "protos", "services", "tests", "tools", "whimbrel"}

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"^(?:\.venv/bin/)?whimbrel(?:\s|$)")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _BLOCK.sub("", page.read_text())


def spans(page: Path) -> list[str]:
    """Its inline code."""
    return [span.strip() for span in _SPAN.findall(prose(page))]


def block_lines(page: Path) -> Iterator[str]:
    """The lines of its fenced blocks, without comments and prompts."""
    for _, block in _BLOCK.findall(page.read_text()):
        for line in block.splitlines():
            yield re.sub(r"\s+# .*$", "", line.strip().removeprefix("$ ")).strip()


def paths_of(span: str) -> list[str]:
    """The paths that a span names, braces expanded; none if it is no path of ours."""
    top, slash, _ = span.partition("/")
    if not (slash and top in TOP_FOLDERS and re.fullmatch(r"[\w.\-/*{},]+", span)):
        return []
    parts = re.split(r"\{([^}]*)\}", span)
    choices = [part.split(",") if index % 2 else [part] for index, part in enumerate(parts)]
    return ["".join(choice) for choice in product(*choices)]


@every_page
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    named = chain.from_iterable(paths_of(span) for span in spans(page))
    assert [path for path in named if not any(ROOT.glob(path.rstrip("/")))] == []


@every_page
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([\w-]+)\s*:(?!=)", makefile, re.MULTILINE))
    code = chain(spans(page), block_lines(page))
    named = {target for piece in code for target in re.findall(r"\bmake ([a-z][\w-]*)", piece)}
    assert named <= targets, sorted(named - targets)


@every_page
def test_every_command_line_in_a_block_is_one_that_whimbrel_takes(page: Path) -> None:
    for line in block_lines(page):
        if _COMMAND.match(line):
            command, arguments = command_of(shlex.split(line)[1:])
            command.make_context(command.name, arguments)  # parses, and raises for what is wrong


@every_page
def test_every_command_in_running_text_is_one_that_whimbrel_has(page: Path) -> None:
    for span in spans(page):
        if _COMMAND.match(span):
            command, arguments = command_of(shlex.split(span)[1:])
            known = {option for parameter in command.params for option in parameter.opts}
            named = {word for word in arguments if word.startswith("--")}
            assert named <= known | {"--help"}, span


def command_of(arguments: list[str]) -> tuple[Any, list[str]]:
    """The command that these arguments name, and what is left for it.

    The type of a command lies in a private package of typer.
    """
    command: Any = typer.main.get_command(app)
    while isinstance(command, TyperGroup) and arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
        assert name in command.commands, f"whimbrel has no command {name!r}"
        command = command.commands[name]
    return command, arguments


@every_page
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    files = list((ROOT / "tests").rglob("test_*.py"))
    there = {file.stem for file in files}
    for file in files:
        there |= set(re.findall(r"def (test_\w+)", file.read_text()))
    named = {span for span in spans(page) if re.fullmatch(r"test_\w+", span)}
    assert named <= there, sorted(named - there)


@every_page
def test_every_link_inside_the_repository_resolves(page: Path) -> None:
    for link in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """The anchors of its headings, as the usual renderers make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings
    }


def test_every_page_has_one_title() -> None:
    for page in PAGES:
        assert len(re.findall(r"^# ", prose(page), re.MULTILINE)) == 1, page


# --- docs/protocol.md against the contract -------------------------------------------


def reachable(*roots: Descriptor) -> list[Descriptor]:
    """The messages that these are made of, themselves included."""
    found: dict[str, Descriptor] = {}
    waiting = list(roots)
    while waiting:
        message = waiting.pop()
        if message.full_name not in found:
            found[message.full_name] = message
            waiting += [field.message_type for field in message.fields if field.message_type]
    return list(found.values())


SERVICE = access_pb2.DESCRIPTOR.services_by_name["AccessService"]
MESSAGES = reachable(
    *chain.from_iterable((method.input_type, method.output_type) for method in SERVICE.methods)
)


def section(name: str) -> str:
    """The text below the heading that is this name alone."""
    found = re.search(rf"^(#+) {name}\n(.*?)(?=^#|\Z)", PROTOCOL, re.MULTILINE | re.DOTALL)
    assert found, f"docs/protocol.md has no section {name}"
    return found[2]


def rows(text: str) -> list[list[str]]:
    """The rows of its tables, without code marks."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_the_protocol_page_describes_every_field_and_no_other(message: Descriptor) -> None:
    described = [(row[0], int(row[1])) for row in rows(section(message.name))]
    assert described == [(field.name, field.number) for field in message.fields]


@pytest.mark.parametrize(
    "enum",
    [
        types_pb2.DESCRIPTOR.enum_types_by_name["ErrorCode"],
        types_pb2.DESCRIPTOR.enum_types_by_name["BodyKind"],
        access_pb2.DESCRIPTOR.enum_types_by_name["CloseCode"],
    ],
    ids=lambda enum: enum.name,
)
def test_the_protocol_page_describes_every_code_with_its_number(enum: EnumDescriptor) -> None:
    described = [(row[0], int(row[1])) for row in rows(section(enum.name))]
    assert described == [(value.name, value.number) for value in enum.values if value.number]


def test_the_protocol_page_names_every_call() -> None:
    assert f"`{SERVICE.full_name}`" in PROTOCOL
    assert [method.name for method in SERVICE.methods if f"`{method.name}`" not in PROTOCOL] == []
