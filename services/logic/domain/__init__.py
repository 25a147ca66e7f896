"""The nouns of Logic and what can be said of them without any I/O."""
