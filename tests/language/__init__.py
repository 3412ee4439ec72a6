"""Tests of thano_duckdb/language."""
