"""`python -m thano_duckdb`."""

from .cli.shell import run

run()
