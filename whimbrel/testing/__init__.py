"""Memory adapters, contract suites and the lossy link: for the tests of Whimbrel and its users."""
