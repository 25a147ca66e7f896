"""What a request to the API means: its verb and resource, as RBAC names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_NAMESPACED: Final = "namespaces"


@dataclass(frozen=True)
class ApiRequest:
    """One request, parsed. `resource` is without its subresource."""

    verb: str
    api_group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def rbac_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def parse(method: str, path: str, query: Mapping[str, str]) -> ApiRequest:
    """Raises ValueError for what is no path of the API."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"]:
        group, rest = "", parts[2:]
    elif parts[:1] == ["apis"]:
        group, rest = parts[1], parts[3:]
    else:
        raise ValueError(f"{path} is not of the API")
    namespace = ""
    if rest[:1] == [_NAMESPACED] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    if not 1 <= len(rest) <= 3:
        raise ValueError(f"{path} names no resource")
    resource, name, subresource = (*rest, "", "")[:3]
    return ApiRequest(
        verb=_verb(method, bool(name), query.get("watch") in ("true", "1")),
        api_group=group,
        resource=resource,
        subresource=subresource,
        namespace=namespace,
        name=name,
    )


def _verb(method: str, is_named: bool, is_watch: bool) -> str:
    if method == "GET":
        if is_watch:
            return "watch"
        return "get" if is_named else "list"
    return {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[method]
