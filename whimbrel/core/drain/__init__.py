"""How pods empty and fill: states, pacing, targets, plans. Pure: no I/O, no clock, no dice."""
