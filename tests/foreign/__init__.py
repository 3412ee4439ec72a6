"""Test suites of other projects, run with ours in front; nothing here is collected by pytest."""
