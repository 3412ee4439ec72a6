"""Recognises a container by its first bytes: which reader opens it, and with which demuxer of ffmpeg.

The demuxer is chosen here and not by ffmpeg: a playlist or a text that lists other files is never taken for audio.
"""

from __future__ import annotations

from dataclasses import dataclass

from .signatures import is_text


@dataclass(frozen=True)
class Container:
    """A container that ffmpeg reads.

    Attributes:
        name: what it is called in `thano_audio_info`, such as `MP4`.
        demuxer: ffmpeg's name of what reads it.
    """

    name: str
    demuxer: str


_MP4, _MOV = Container("MP4", "mov"), Container("MOV", "mov")
_MKV, _WEBM = Container("MKV", "matroska"), Container("WEBM", "matroska")
_MPEG_TS = Container("MPEGTS", "mpegts")
_AC3, _EAC3 = Container("AC3", "ac3"), Container("EAC3", "eac3")
G722 = Container("G722", "g722")
"""It has no header: only the name of the file says what it is."""

_BY_FIRST_BYTES = (
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Container("ASF", "asf")),
    (b"#!AMR", Container("AMR", "amr")),
    (b"FLV\x01", Container("FLV", "flv")),
    (b"\0\0\x01\xba", Container("MPEGPS", "mpeg")),
    (b"\x7f\xfe\x80\x01", Container("DTS", "dts")),
    (b"wvpk", Container("WAVPACK", "wv")),
    (b"TTA1", Container("TTA", "tta")),
    (b"MAC ", Container("APE", "ape")),
)
_QUICKTIME_ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")

# libsndfile opens these itself where it knows the encoding within.
_WITHIN_LIBSNDFILE = (
    (b"RIFF", Container("WAV", "wav")),
    (b"RF64", Container("WAV", "wav")),
    (b"riff", Container("W64", "w64")),
    (b"FORM", Container("AIFF", "aiff")),
    (b"caff", Container("CAF", "caf")),
    (b".snd", Container("AU", "au")),
    (b"OggS", Container("OGG", "ogg")),
)
_MP3 = Container("MP3", "mp3")

DEMUXERS = frozenset(
    container.demuxer
    for container in (
        *(_MP4, _MKV, _MPEG_TS, _AC3, _EAC3, G722, _MP3, Container("AAC", "aac"), Container("LATM", "loas")),
        *(Container("AVI", "avi"), *(found for _, found in _BY_FIRST_BYTES + _WITHIN_LIBSNDFILE)),
    )
)
"""All of ffmpeg's demuxers that are ever used."""


def ffmpeg_container(head: bytes) -> Container | None:
    """The container that `head` begins, if ffmpeg alone reads it.

    Args:
        head: the first `signatures.HEAD_BYTES` bytes, without ID3 tags.
    """
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return Container("AVI", "avi")
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _WEBM if b"webm" in head[:64] else _MKV
    if is_text(head) and not head.startswith(b"#!AMR"):
        return None
    if head[4:8] == b"ftyp":
        return _MOV if head[8:12] == b"qt  " else _MP4
    if head[4:8] in _QUICKTIME_ATOMS:
        return _MOV
    for first_bytes, container in _BY_FIRST_BYTES:
        if head.startswith(first_bytes):
            return container
    return _mpeg_or_dolby(head)


def shared_container(head: bytes) -> Container:
    """The container of a file that libsndfile recognises, but cannot decode: see `ffmpeg_container`."""
    return next((container for start, container in _WITHIN_LIBSNDFILE if head.startswith(start)), _MP3)


def _mpeg_or_dolby(head: bytes) -> Container | None:
    """Streams that are made of frames alone, which begin with a few bits."""
    if len(head) < 8:
        return None
    if head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return Container("AAC", "aac")
    if head[0] == 0x56 and head[1] & 0xE0 == 0xE0:
        frame_bytes = 3 + ((head[1] & 0x1F) << 8 | head[2])
        following = head[frame_bytes : frame_bytes + 2]
        if not following or (following[0] == 0x56 and following[-1] & 0xE0 == 0xE0):
            return Container("LATM", "loas")
    if head.startswith(b"\x0b\x77"):
        return _EAC3 if head[5] >> 3 > 10 else _AC3
    is_transport_stream = any(
        all(head[offset : offset + 1] == b"\x47" for offset in range(first, min(len(head), first + 3 * size), size))
        for first, size in ((0, 188), (4, 192))
    )
    return _MPEG_TS if is_transport_stream else None
