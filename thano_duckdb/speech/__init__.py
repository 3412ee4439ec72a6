"""From waveforms to text: the models, batching, decoding, and the engine around them.

`loading.load_engine` is the way in. torch is imported by `device`, `compute`, `batch_runner`, `engine` and most of
`recognizer/`, when audio is first transcribed; the other modules work without it.
"""
