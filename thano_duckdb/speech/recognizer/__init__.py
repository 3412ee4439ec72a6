"""The models that the engine runs: from prepared samples to scores for each frame."""
