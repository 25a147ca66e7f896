"""Push providers on this machine: they speak the real protocols, answer as the real ones do, and
misbehave as they are told."""
