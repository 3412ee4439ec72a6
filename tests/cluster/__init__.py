"""Tests of `thano_duckdb/cluster`."""
