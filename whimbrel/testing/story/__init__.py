"""A story of people who use everything around the stream, on a running stack."""
