"""From waveforms to text: the acoustic model, batching, CTC decoding, and the engine around them.

Nothing is imported here: `transcript`, `batching`, `windows`, `features`, `ctc`, `settings`, `memo` and `readahead`
work without torch; `device`, `isolation`, `model`, `batch_runner` and `engine` import it; `models.load_engine` is the
way in and imports the others when it is called.
"""
