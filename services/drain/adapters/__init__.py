"""Outbound edges of the controller, named `<port>_<technology>.py`."""
