"""Which files are audio, by the end of their names."""

from __future__ import annotations

# What libsndfile reads: https://libsndfile.github.io/libsndfile/formats.html
AUDIO_SUFFIXES: tuple[str, ...] = (
    ".wav",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".sph",
    ".aif",
    ".aiff",
    ".aifc",
    ".au",
    ".snd",
    ".caf",
    ".w64",
    ".rf64",
)
"""In lower case: COPY and `thano_audio` read files with these endings."""
