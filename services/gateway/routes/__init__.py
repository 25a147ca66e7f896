"""What the gateway answers: one module for each subject, with a `router` in it."""

from services.gateway.routes import (
    admin,
    conversations,
    devices,
    health,
    history,
    logins,
    recents,
    users,
)

ROUTERS = (
    users.router,
    logins.router,
    devices.router,
    conversations.router,
    history.router,
    recents.router,
    admin.router,
    health.router,
)
"""All of them, in the order in which the documentation shows them."""
