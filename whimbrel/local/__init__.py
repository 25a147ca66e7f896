"""The embedded stack: real mongod and redis-server, and a supervisor of the services."""
