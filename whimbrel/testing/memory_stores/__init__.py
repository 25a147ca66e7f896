"""Memory adapters of Logic's ports, for the tests of use cases. Each passes its contract suite."""
