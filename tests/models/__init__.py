"""Tests of `thano_duckdb.models`."""
