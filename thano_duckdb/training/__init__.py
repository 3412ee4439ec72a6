"""Training: from rows of audio and text to a published model. `build.build_model` is the way in.

`network`, `loader`, `evaluation`, `ctc_trainer` and `run` import torch; the others work without it.
"""
