"""Training: from rows of audio and text to a published model.

`options`, `labels`, `corpus`, `batches`, `augment`, `audio_store`, `tiny`, `progress` and `build_folder` work without
torch; `network`, `loader`, `ctc_trainer` and `run` import it; `build.build_model` is the way in.
"""
