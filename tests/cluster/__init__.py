"""Tests of the parts that transcribe on several workers."""
