"""How work in progress is reported, and shown as a bar. Knows nothing of DuckDB or torch."""
