"""From the scores of the frames to text."""
