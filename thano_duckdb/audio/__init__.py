"""Audio: where it is, how it is read and decoded, what its header says. No torch, no DuckDB."""
