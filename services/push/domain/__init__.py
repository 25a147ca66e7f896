"""What push decides, without any I/O."""
