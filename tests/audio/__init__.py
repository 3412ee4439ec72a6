"""Tests of `thano_duckdb.audio`."""
