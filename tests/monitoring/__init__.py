"""Tests of `thano_duckdb.monitoring`."""
