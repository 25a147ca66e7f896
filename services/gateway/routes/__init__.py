"""What the gateway answers: one module for each subject, with a `router` in it."""

from services.gateway.routes import (
    admin,
    conversations,
    device_keys,
    devices,
    friends,
    group_members,
    groups,
    health,
    history,
    logins,
    media,
    media_content,
    moderation,
    quiet_hours,
    recents,
    users,
    words,
)

ROUTERS = (
    users.router,
    logins.router,
    devices.router,
    device_keys.router,
    quiet_hours.router,
    friends.router,
    groups.router,
    group_members.router,
    conversations.router,
    history.router,
    recents.router,
    media.router,
    media_content.router,
    moderation.router,
    words.router,
    admin.router,
    health.router,
)
"""All of them, in the order in which the documentation shows them."""
