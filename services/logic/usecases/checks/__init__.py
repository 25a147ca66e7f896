"""What is asked of every send before it is stored."""
