"""One pod in several processes: the parent that starts and keeps them. It loads no gRPC."""
