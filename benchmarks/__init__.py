"""Timed claims, each a ratio measured within one run. See README.md."""
