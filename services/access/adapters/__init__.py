"""Outbound edges, named <port>_<technology>.py."""
