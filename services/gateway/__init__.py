"""HTTP for everything that is not live: accounts, and what Logic knows about conversations."""
