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

UNREAD_AUDIO_SUFFIXES: tuple[str, ...] = (
    ".m4a",
    ".m4b",
    ".mp4",
    ".m4v",
    ".mov",
    ".3gp",
    ".aac",
    ".ac3",
    ".alac",
    ".amr",
    ".ape",
    ".avi",
    ".mka",
    ".mkv",
    ".webm",
    ".wma",
    ".wmv",
    ".asf",
    ".wave",
    ".mp2",
    ".mpga",
    ".spx",
)
"""In lower case: what looks like a recording too. Such files are listed, and `error` says why they are not read."""

_FIRST_BYTES = (
    *(b"fLaC", b"OggS", b"ID3", b"caff", b".snd", b"NIST_1A", b"RF64", b"riff", b"#!AMR", b"wvpk", b"MAC "),
    *(bytes([0xFF, second]) for second in (0xE2, 0xE3, 0xF1, 0xF2, 0xF3, 0xF9, 0xFA, 0xFB)),  # MPEG audio
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"\x30\x26\xb2\x75",  # Windows Media
)
_CHUNKED = {b"RIFF": (b"WAVE", b"AVI "), b"FORM": (b"AIFF", b"AIFC")}


def looks_like_audio(first_bytes: bytes) -> bool:
    """Whether a file that begins with these bytes (12 are enough) is audio, or video with audio."""
    chunks = _CHUNKED.get(first_bytes[:4])
    if chunks is not None:
        return first_bytes[8:12] in chunks
    return first_bytes.startswith(_FIRST_BYTES) or first_bytes[4:8] == b"ftyp"
