"""Whimbrel: instant messaging whose connections migrate instead of dropping.

`whimbrel.connect(endpoint, token)` is the client SDK; see `whimbrel.client`.
"""
