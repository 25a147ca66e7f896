"""What the gateway does with accounts, as verbs."""
