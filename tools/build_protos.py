"""Generates whimbrel/api from protos/ with grpcio-tools: the build hook, and a command.

`python tools/build_protos.py` does what the package build does, for an editable
install, which does not run the hook again when a proto changes (see the Makefile).
Generated code is never committed.
"""

from __future__ import annotations

import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import Any

from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent.parent
INIT = '"""Generated from protos/ by tools/build_protos.py. Do not edit."""\n'


def generate(root: Path = ROOT) -> None:
    """Replace whimbrel/api with code generated from every proto below protos/."""
    protos = sorted((root / "protos").rglob("*.proto"))
    target = root / "whimbrel" / "api"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    scripts = Path(sys.executable).parent
    arguments = [
        "protoc",
        f"--proto_path={root / 'protos'}",
        f"--proto_path={resources.files('grpc_tools') / '_proto'}",
        f"--python_out={root}",
        f"--grpc_python_out={root}",
        *_plugin("mypy", scripts, root, ""),
        *_plugin("mypy_grpc", scripts, root, "only_async:"),
        *(str(proto) for proto in protos),
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc refused the protos: see the lines above")
    for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").write_text(INIT)
    (target / "py.typed").touch()


def _plugin(name: str, scripts: Path, root: Path, options: str) -> list[str]:
    program = shutil.which(f"protoc-gen-{name}") or str(scripts / f"protoc-gen-{name}")
    return [f"--plugin=protoc-gen-{name}={program}", f"--{name}_out={options}{root}"]


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before every wheel or editable build."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        generate(Path(self.root))


if __name__ == "__main__":
    generate()
