"""What is counted and traced of calls and rows: a page for Prometheus, spans for OpenTelemetry; no caller is named."""
