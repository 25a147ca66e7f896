"""The chassis on which every service stands: start, stop, settings, errors, logs."""
