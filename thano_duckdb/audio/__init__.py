"""Audio: where it lies, how it is decoded, what its header says. No torch, no DuckDB."""
