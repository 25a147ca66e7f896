"""What the controller knows and decides. Pure: no I/O, no clock, no generated messages."""
