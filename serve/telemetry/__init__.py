"""What is measured and followed: figures for Prometheus, traces, spans for a collector."""
