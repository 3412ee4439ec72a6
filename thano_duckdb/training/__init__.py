"""Training: from rows of audio and text to a published model. The entry point is `build.build_model`.

`network`, `loader`, `validation`, `trainer` and `run` import torch; the other modules work without it.
"""
