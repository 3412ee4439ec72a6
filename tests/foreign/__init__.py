"""Tests that other projects have of themselves, run with ours in their place; and what differs, with its reason."""
