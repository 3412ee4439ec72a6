"""Runs the test suites of other projects with our connections in place of theirs."""
