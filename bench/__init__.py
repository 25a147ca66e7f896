"""The benchmarks behind `whimbrel bench`."""
