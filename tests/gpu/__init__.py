"""Tests of what only an NVIDIA GPU can show."""
