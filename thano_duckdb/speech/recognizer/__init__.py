"""What the engine needs of a model: from prepared samples to scores for each frame."""
