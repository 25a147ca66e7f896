"""A small OpenTelemetry collector for one machine, which answers the query API of Jaeger."""
