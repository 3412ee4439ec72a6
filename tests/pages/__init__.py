"""Tests of `thano_duckdb.pages`."""
