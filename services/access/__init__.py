"""Holds the client streams; keeps each session's window and order; no rules, no storage."""
