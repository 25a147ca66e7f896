"""What the gateway answers: one module for each subject, with a `router` in it."""

from services.gateway.routes import health

ROUTERS = (health.router,)
"""All of them, in the order in which the documentation shows them."""
