"""Who may call what between pods: one table, by the role that the caller's certificate names.

It is what the code calls, and nothing more: a method that is in nobody's list is open to nobody.
Health and reflection are open to every pod. How a caller is asked for its role is in `callers`.
Must not know gRPC.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

_API: Final = "whimbrel.api"
DRAIN: Final = f"{_API}.drain.v1.DrainService"
GROUPS: Final = f"{_API}.groups.v1.GroupsService"
HISTORY: Final = f"{_API}.history.v1.HistoryService"
HOST: Final = f"{_API}.logic.v1.HostService"
LOGIC: Final = f"{_API}.logic.v1.LogicService"
MODERATION: Final = f"{_API}.moderation.v1.ModerationService"
PLATFORM: Final = f"{_API}.platform.v1.PlatformService"
PUSH: Final = f"{_API}.push.v1.PushService"
ROUTER: Final = f"{_API}.router.v1.RouterService"
SOCIAL: Final = f"{_API}.social.v1.SocialService"
WEBHOOKS: Final = f"{_API}.push.v1.WebhookService"

FOR_EVERY_POD: Final = frozenset(
    {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
)

_MEMBER: Final = frozenset({"Register", "Unregister", "WatchPods"})
"""What every pod with a lease asks of a Router."""

Rights = Mapping[str, Mapping[str, frozenset[str]]]

MAY_CALL: Final[Rights] = {
    "access": {
        DRAIN: frozenset({"Attend"}),
        LOGIC: frozenset({"Link", "CreateGroup", "ListMembers", "ListReads", "ListRevocations"}),
        ROUTER: _MEMBER | {"Attach", "AttachStream", "Assert", "Detach"},
    },
    "logic": {ROUTER: _MEMBER | {"Locate", "LocateStream"}},
    "router": {},
    "push": {HISTORY: frozenset({"ListConversations"}), ROUTER: _MEMBER},
    "gateway": {
        GROUPS: frozenset(
            {
                *("FoundGroup", "GetGroup", "ListGroups", "DescribeGroup", "DissolveGroup"),
                *("InviteMembers", "AskToJoin", "AnswerAsking", "LeaveGroup", "RemoveMember"),
                *("MakeLink", "EndLink", "JoinByLink", "SetRole", "Mute", "TransferGroup"),
            }
        ),
        HISTORY: frozenset(
            {
                *("ListConversations", "ChangeConversation", "ReadHistory", "Search"),
                *("PullRecent", "MarkPulled", "MarkRead"),
            }
        ),
        LOGIC: frozenset({"ListReads"}),
        MODERATION: frozenset(
            {
                *("PutWords", "RemoveWords", "ReplaceWords", "ListWords", "ReportUser"),
                *("ListReports", "ListFlagged", "GetRisk", "AdjustRisk", "Broadcast"),
            }
        ),
        ROUTER: _MEMBER,
        SOCIAL: frozenset(
            {
                *("RequestFriend", "AcceptFriend", "DeclineFriend", "RemoveFriend", "ListFriends"),
                *("BlockUser", "UnblockUser", "ListBlocked", "GetPrivacy", "SetPrivacy"),
                "CheckReach",
            }
        ),
    },
    "drain": {
        PLATFORM: frozenset(
            {
                *("WatchPlatform", "ScaleWorkload", "RestartWorkload", "DeletePod", "MarkPod"),
                "HoldLease",
            }
        ),
        ROUTER: _MEMBER,
    },
    # The commands of whoever owns the stack.
    "operator": {
        DRAIN: frozenset(
            {
                *("StartDrain", "AbortDrain", "ListPlans", "WatchPlans", "RestartRollout"),
                "Scale",
            }
        ),
        GROUPS: frozenset(
            {
                *("GetGroup", "InviteMembers", "LeaveGroup", "RemoveMember", "SetRole", "Mute"),
                "DissolveGroup",
            }
        ),
        HISTORY: frozenset({"ListConversations", "ReadHistory", "Rebuild"}),
        HOST: frozenset({"ShowHost", "TestBeforeSend"}),
        PUSH: frozenset({"TestPush", "ListDeadLetters", "RetryDeadLetters"}),
        ROUTER: frozenset({"WatchPods"}),
        WEBHOOKS: frozenset(
            {"ShowDelivery", "TestEvents", "ListEvents", "ResendEvents", "HurryEvents"}
        ),
    },
    # Of `whimbrel up`: it looks whether its pods have come.
    "supervisor": {ROUTER: frozenset({"WatchPods"})},
}
"""By role, what its code calls: full names of services, and of each the methods."""


def _grants() -> Iterator[tuple[str, str]]:
    for role, services in MAY_CALL.items():
        for service, methods in services.items():
            for method in methods:
                yield f"/{service}/{method}", role


def _callers() -> dict[str, frozenset[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for method, role in _grants():
        found[method].add(role)
    return {method: frozenset(roles) for method, roles in found.items()}


CALLERS_OF: Final[Mapping[str, frozenset[str]]] = _callers()
"""The roles that may call a method, by its path ("/package.Service/Method")."""
