"""Timed claims, each a ratio measured in one run. See README.md."""
