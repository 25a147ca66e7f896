"""Wakes devices that are offline."""
