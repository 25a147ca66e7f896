"""Checks, orders and stores messages; fans them out; serves timelines and cursors."""
