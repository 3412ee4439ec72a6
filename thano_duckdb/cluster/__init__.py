"""Transcription by several workers: processes on the devices of this machine, or actors of a Ray cluster."""
