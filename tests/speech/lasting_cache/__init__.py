"""Tests of the lasting cache."""
