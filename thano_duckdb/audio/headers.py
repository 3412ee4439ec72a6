"""What the header of a file promises, in cases where libsndfile does not report it.

libsndfile silently corrects a length in the header that is larger than the file: a file that was cut short would give
half a transcript without a warning. Its log says what the header of most containers promised; of NIST SPHERE, MP3, Ogg,
FLAC and unfinished WAV the bytes themselves are read here.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from .mpeg_frames import count_samples
from .raw import RawAudio
from .riff_chunks import chunk_offset, chunks

# `data` of WAV, `SSND` of AIFF, `Data Size` of AU, and the whole size, `riff`, of W64. (`RIFF` of WAV is often wrong.)
_SIZE_IN_LOG = re.compile(r"^ *(?:data|SSND|Data Size +|riff) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_RF64_FRAMES_IN_LOG = re.compile(r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)")
_CUT_VOC_IN_LOG = "Seems to be a truncated file"
_NIST_FRAMES = re.compile(rb"^sample_count +-i +(\d+)", re.MULTILINE)

NIST_HEADER_BYTES = 1024

_MIN_MP3_REST_S = 0.2
_OGG_PAGE, _OGG_FIRST, _OGG_LAST = b"OggS\0", 0x02, 0x04
_MAX_OGG_PAGE_BYTES = 65307
_FLAC_START = b"fLaC\0\0\0\x22"  # the marker and the header of STREAMINFO


def promised_ratio(log: str) -> float:
    """How many times more audio a header promises than the file holds, by libsndfile's log; 1.0 if they agree.

    A size that a program writes when it cannot know the length (a pipe: 0xFFFFFFFF by ffmpeg, 0x7FFFF000 by SoX, and
    those less a header) promises nothing.
    """
    if size := _SIZE_IN_LOG.search(log):
        promised, held = int(size[1]), int(size[2])
        if promised >= 0xFFFFF000 or 0x7FFFF000 <= promised <= 0x7FFFFFFF:
            return 1.0
        return promised / max(held, 1)
    if frames := _RF64_FRAMES_IN_LOG.search(log):
        held, promised = int(frames[1]), int(frames[2])
        return promised / max(held, 1) if promised < 2**62 else 1.0
    return 1.0


def lacks_its_end(log: str, container: str, raw: RawAudio) -> bool:
    """Whether the end of a VOC or Ogg file is missing, without knowing how much."""
    # libsndfile's log reports it for Ogg as well, but wrongly if a tag or a part of a page follows the last page.
    return _CUT_VOC_IN_LOG in log or (container == "OGG" and not _ogg_is_whole(raw))


def nist_frames(head: bytes) -> int | None:
    """`sample_count` of a NIST SPHERE header: samples of each channel."""
    found = _NIST_FRAMES.search(head[:NIST_HEADER_BYTES])
    return int(found[1]) if head.startswith(b"NIST_1A") and found else None


def mp3_stream_bytes(raw: RawAudio) -> tuple[int, int] | None:
    """Size of an MP3 stream by its Xing or Info header, and the size that the file holds; None without such a header.

    Without it, the length that libsndfile reports is a guess from the bit rate of the first frame.
    """
    start = _id3_bytes(raw)
    frame = raw.read_at(start, 64)
    if len(frame) < 64 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return None
    tag = max(frame.find(b"Xing"), frame.find(b"Info"))
    if tag < 0:
        return None
    (flags,) = struct.unpack_from(">I", frame, tag + 4)
    if flags & 0b11 != 0b11:  # both the number of frames and the number of bytes
        return None
    (n_bytes,) = struct.unpack_from(">I", frame, tag + 12)
    return n_bytes, raw.n_bytes - start


def mp3_samples(raw: RawAudio) -> int:
    """Samples of each channel in the frames of an MP3, alone or in a WAV; at least as many are in the file."""
    is_wav = raw.read_at(8, 4) == b"WAVE"
    start = chunk_offset(raw, b"data") if is_wav else _id3_bytes(raw)
    return 0 if start is None else count_samples(raw, start)


def after_id3(raw: RawAudio) -> int:
    """Where libsndfile looks for the audio: after the ID3v2 tags at the beginning, if there are any."""
    offset = 0
    while (head := raw.read_at(offset, 10)).startswith(b"ID3") and len(head) == 10:
        offset += 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
    return offset


def _id3_bytes(raw: RawAudio) -> int:
    """Size of the ID3v2 tags before the audio (ID3v2.4, section 3.1), 0 without one."""
    n_bytes = 0
    while (head := raw.read_at(n_bytes, 10)).startswith(b"ID3") and len(head) == 10:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]  # seven bits per byte
        n_bytes += 10 + size + (10 if head[5] & 0x10 else 0)
    return n_bytes


def continues(raw: RawAudio, container: str, done_s: float) -> bool:
    """Whether the file goes on with audio after libsndfile has stopped, `done_s` seconds from its beginning.

    libsndfile stops reading an MP3 at the length that it guessed, and if files were joined into one, MP3, Ogg and FLAC
    at the end of the first.
    """
    position = raw.position()
    if container == "MP3" and done_s:
        rest_s = (raw.n_bytes - position) / max(position, 1) * done_s
        following = raw.read_at(position, 3)
        return rest_s > _MIN_MP3_REST_S and (following == b"ID3" or following[:1] == b"\xff")
    if container not in ("OGG", "FLAC"):
        return False
    # libsndfile has read a little beyond the end of the stream.
    start = max(_id3_bytes(raw) + 1, position - 2 * _MAX_OGG_PAGE_BYTES)
    window = raw.read_at(start, 3 * _MAX_OGG_PAGE_BYTES)
    if container == "FLAC":
        return _FLAC_START in window
    return any(flags & _OGG_LAST and _ogg_flags(window, end) & _OGG_FIRST for end, flags in _ogg_pages(window))


def _ogg_is_whole(raw: RawAudio) -> bool:
    """Whether an Ogg file ends with the end of a stream, followed at most by a tag or padding."""
    window = raw.read_at(max(0, raw.n_bytes - 2 * _MAX_OGG_PAGE_BYTES), 2 * _MAX_OGG_PAGE_BYTES)
    return any(flags & _OGG_LAST for _, flags in _ogg_pages(window))


def _ogg_pages(window: bytes) -> Iterator[tuple[int, int]]:
    """The end and the flags of each page that is completely in `window` (RFC 3533, section 6)."""
    page = window.find(_OGG_PAGE)
    while page >= 0:
        lengths = window[page + 27 : page + 27 + window[page + 26]] if page + 26 < len(window) else b""
        end = page + 27 + len(lengths) + sum(lengths)
        if lengths and end <= len(window):
            yield end, _ogg_flags(window, page)
        page = window.find(_OGG_PAGE, page + 1)


def _ogg_flags(window: bytes, page: int) -> int:
    """The flags of the page at offset `page`; 0 if there is none."""
    header = window[page : page + 6]
    return header[5] if header.startswith(_OGG_PAGE) and len(header) == 6 else 0


def unfinished_wav(raw: RawAudio) -> tuple[int, int] | None:
    """Offset of the size field of a WAV's `data` chunk, and its correct value, if the field was left at 0.

    Recorders that are killed leave it at 0, and so do some that write to a pipe.
    """
    if raw.read_at(0, 4) != b"RIFF" or raw.read_at(8, 4) != b"WAVE":
        return None
    for name, offset, size in chunks(raw):
        if name == b"data":
            rest = min(raw.n_bytes - offset, 0xFFFFFFFF)
            return None if size or not rest or _is_chunk(raw, offset) else (offset - 4, rest)
    return None


def _is_chunk(raw: RawAudio, offset: int) -> bool:
    """Whether a RIFF chunk that fits into the file begins at `offset`: then the data chunk before it is empty."""
    header = raw.read_at(offset, 8)
    if len(header) < 8:
        return False
    name, size = struct.unpack("<4sI", header)
    return all(0x20 <= byte < 0x7F for byte in name) and offset + 8 + size <= raw.n_bytes
