"""Puts the services about people on the pod's server, beside LogicService."""

from __future__ import annotations

from services.logic.groups_servicer import GroupsServicer
from services.logic.moderation_servicer import ModerationServicer
from services.logic.people_parts import PeopleParts
from services.logic.social_servicer import SocialServicer
from whimbrel.api.groups.v1 import groups_pb2_grpc
from whimbrel.api.moderation.v1 import moderation_pb2_grpc
from whimbrel.api.social.v1 import social_pb2_grpc
from whimbrel.runtime.chassis import Chassis


def serve_people(people: PeopleParts, chassis: Chassis) -> None:
    """Register them; errors become statuses as everywhere."""
    social_pb2_grpc.add_SocialServiceServicer_to_server(
        SocialServicer(people.befriend, people.reach), chassis.server
    )
    groups_pb2_grpc.add_GroupsServiceServicer_to_server(
        GroupsServicer(people.groups), chassis.server
    )
    moderation_pb2_grpc.add_ModerationServiceServicer_to_server(
        ModerationServicer(people.moderate), chassis.server
    )
    chassis.serves("whimbrel.api.social.v1.SocialService")
    chassis.serves("whimbrel.api.groups.v1.GroupsService")
    chassis.serves("whimbrel.api.moderation.v1.ModerationService")
