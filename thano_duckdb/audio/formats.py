"""Which files are audio, by the end of their names."""

from __future__ import annotations

# What libsndfile reads (https://libsndfile.github.io/libsndfile/formats.html), then what ffmpeg reads.
AUDIO_SUFFIXES: tuple[str, ...] = (
    *(".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".mpga", ".sph", ".aif", ".aiff", ".aifc"),
    *(".au", ".snd", ".caf", ".w64", ".rf64"),
    *(".m4a", ".m4b", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".aac", ".ac3", ".eac3", ".dts", ".alac", ".amr", ".awb"),
    *(".avi", ".mka", ".mkv", ".webm", ".wma", ".wmv", ".asf", ".spx", ".ogv", ".flv", ".m2ts", ".mpg"),
    *(".mpeg", ".vob", ".wv", ".tta", ".ape", ".g722"),
)
"""In lower case: COPY and `thano_audio` read files with these endings."""

_MPEG_AUDIO = (0xE2, 0xE3, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF9, 0xFA, 0xFB, 0xFC, 0xFD)  # after 0xFF
_FIRST_BYTES = (
    *(b"fLaC", b"OggS", b"ID3", b"caff", b".snd", b"NIST_1A", b"RF64", b"riff", b"#!AMR", b"wvpk", b"MAC ", b"TTA1"),
    *(bytes([0xFF, second]) for second in _MPEG_AUDIO),
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"\x30\x26\xb2\x75",  # Windows Media
    *(b"FLV\x01", b"\x0b\x77", b"\x7f\xfe\x80\x01", b"\0\0\x01\xba"),  # Flash, AC-3, DTS, MPEG
)
_CHUNKED = {b"RIFF": (b"WAVE", b"AVI "), b"FORM": (b"AIFF", b"AIFC")}


def looks_like_audio(first_bytes: bytes) -> bool:
    """Whether a file that begins with these bytes (12 are enough) is audio, or video with audio."""
    chunks = _CHUNKED.get(first_bytes[:4])
    if chunks is not None:
        return first_bytes[8:12] in chunks
    return first_bytes.startswith(_FIRST_BYTES) or first_bytes[4:8] == b"ftyp"
