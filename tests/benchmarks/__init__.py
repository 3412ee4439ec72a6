"""Tests of the benchmarks: they count and compare what they claim to."""
