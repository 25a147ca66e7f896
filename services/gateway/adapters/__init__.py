"""The outbound edges of the gateway."""
