"""Transcripts that outlast the process: the store on disk, the thread that writes it, and the cache for the engine."""
