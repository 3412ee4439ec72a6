"""From waveforms to text: models, batching, decoding, and the engine that runs them.

The entry point is `loading.load_engine`. torch is imported by `device`, `compute`, `batch_runner`, `engine` and most of
`recognizer/`, when audio is first transcribed; the other modules work without it.
"""
