"""The directory: leases of pods, routes of users, epochs."""
