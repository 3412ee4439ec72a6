"""Turns the scores of the frames into text."""
