"""Pure machines: no I/O, no clock, no dice. `now` comes in as monotonic seconds."""
