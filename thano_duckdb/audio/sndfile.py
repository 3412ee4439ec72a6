"""Clips that libsndfile reads. Nothing else in the package touches libsndfile."""

from __future__ import annotations

import io
import math
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Literal, cast

import numpy as np
import soundfile
from numpy.typing import NDArray

from . import headers
from .caf import has_broken_packet_table
from .encodings import unsupported_encoding
from .failure import UnreadableAudioError, UnsupportedEncodingError, cut_short, cut_short_to
from .opened import Block, OpenSound, check_header
from .raw import OpenFile, RawAudio
from .signatures import HEAD_BYTES, SAMPLE_DUMP, describe, is_sample_dump

# Less than one frame of the model cannot hold speech, and some programs include the header in the length.
TOLERANCE_S = 0.02
MP3_TOLERANCE_S = 0.1

_BLOCK_SAMPLES = 1 << 16  # over all channels
_LARGEST_FRAME_COUNT = 1 << 40

# Where seeking gives the very samples that reading on would. A codec that carries state from frame to frame does not.
_SEEKABLE_FORMATS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST", "FLAC")
_SEEKABLE_SUBTYPES = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")

# Where it does so from this many seconds after the position on. Opus forgets its state by and by: in speech, noise and
# silence, at high and low bit rates, every sample was equal after 5 s. MP3 would be exact too, but mpg123 writes to
# stderr that the bits before the position are missing.
_SETTLED_AFTER_S = {("OGG", "VORBIS"): 0.0, ("OGG", "OPUS"): 10.0}

# Where libsndfile looks for the second half of an SD2 file, before it takes a file without a name for an MP3.
_RESOURCE_FORKS = ("._", ".AppleDouble")

_MP3 = "MPEG_LAYER_III"  # also within a WAV, which never has a Xing header
_MP3_QUALITY = 0.8  # compression level at variable bit rate: 0 is the best, 1 the smallest


class _SequentialSoundFile(soundfile.SoundFile):
    """Only reads forward: soundfile seeks after every block of a seekable file, which changes the samples of an MP3."""

    def seekable(self) -> bool:
        """False, so that soundfile does not seek by itself."""
        return False


@dataclass(frozen=True, kw_only=True)
class SndfileSound(OpenSound):
    """A clip opened by libsndfile.

    Attributes:
        file: libsndfile's view of it.
        raw: its bytes.
    """

    file: soundfile.SoundFile
    raw: RawAudio

    def blocks(self, start_frame: int = 0) -> Iterator[Block]:
        """See `OpenSound`.

        16-bit PCM comes as int16: dividing it afterwards is three times as fast as libsndfile's conversion.
        """
        n_done = 0
        try:
            if start_frame and self.n_frames is not None and (settled_after_s := self._settled_after_s) is not None:
                sought = min(start_frame, self.n_frames) - math.ceil(settled_after_s * self.rate_hz)
                n_done = self.file.seek(sought) if sought > 0 else 0
            for block in self._blocks_from(n_done):
                n_skipped = max(0, start_frame - n_done)
                n_done += len(block)
                if n_skipped < len(block):
                    yield block[n_skipped:]
        except soundfile.LibsndfileError as error:
            whole = f" of {self.n_frames / self.rate_hz:.2f} s" if self.n_frames else ""
            raise UnreadableAudioError(
                f"It is damaged or was cut short: its audio{whole} cannot be decoded to the end ({_words(error)}); "
                f"copy or download it again."
            ) from error
        self._check_end(n_done)

    @property
    def _settled_after_s(self) -> float | None:
        """How long after seeking the samples are those of the whole file; None if nobody knows."""
        if self.format in _SEEKABLE_FORMATS and self.subtype.startswith(_SEEKABLE_SUBTYPES):
            return 0.0
        return _SETTLED_AFTER_S.get((self.format, self.subtype))

    def _blocks_from(self, n_done: int) -> Iterator[Block]:
        """All that follows the `n_done` frames before the file's position."""
        n_left = (self.n_frames if self.n_frames is not None else _LARGEST_FRAME_COUNT) - n_done
        dtype: Literal["int16", "float32"] = "int16" if self.subtype == "PCM_16" else "float32"
        block: Block
        block = np.empty((min(n_left, max(1, _BLOCK_SAMPLES // self.n_channels)), self.n_channels), dtype)
        # Never past the promised end: libsndfile would take a tag after it for a damaged FLAC frame.
        while n_read := self.file.buffer_read_into(block[:n_left], dtype) if n_left else 0:
            n_left -= n_read
            yield block[:n_read]

    def _check_end(self, n_done: int) -> None:
        """Compare what was decoded with what the header promised."""
        done_s = n_done / self.rate_hz
        tolerance_s = MP3_TOLERANCE_S if self.format == "MP3" else TOLERANCE_S
        if self.n_frames is not None and self.n_frames / self.rate_hz - done_s > tolerance_s:
            raise UnreadableAudioError(cut_short(self.n_frames / self.rate_hz, done_s))
        if headers.continues(self.raw, self.format, done_s):
            raise UnreadableAudioError(
                f"libsndfile reads only the first {done_s:.2f} s of this file: it is several recordings joined; "
                f"convert it first, for example: ffmpeg -i in out.flac"
            )


@contextmanager
def open_sndfile(raw: RawAudio) -> Iterator[SndfileSound]:
    """Open the bytes of a clip and check their header.

    Raises:
        UnreadableAudioError: with the reason.
    """
    if is_sample_dump(raw.read_at(headers.after_id3(raw), 4)):
        raise UnreadableAudioError(SAMPLE_DUMP)
    if has_broken_packet_table(raw):
        raise UnreadableAudioError("It is damaged: its table of packets cannot be read; copy or download it again.")
    mp3_bytes = headers.mp3_stream_bytes(raw)
    if mp3_bytes and mp3_bytes[0] * 0.99 > mp3_bytes[1]:  # before mpg123 writes a warning of its own to stderr
        promised, held = mp3_bytes
        raise UnreadableAudioError(cut_short_to(held / promised))
    try:
        with _open_libsndfile(raw) as file:
            n_frames = _trusted_n_frames(file, raw, has_mp3_length=mp3_bytes is not None)
            if file.subtype == _MP3 and n_frames is None and _guess_is_short(file, raw):
                raise UnsupportedEncodingError("MP3 of variable bit rate without a Xing header")
            yield SndfileSound(
                rate_hz=int(file.samplerate),
                n_channels=int(file.channels),
                n_frames=n_frames,
                format=str(file.format),
                subtype=str(file.subtype),
                n_bytes=raw.n_bytes,
                file=file,
                raw=raw,
            )
    except soundfile.SoundFileError as error:
        raise UnreadableAudioError(f"It cannot be read to its end: {error}.") from error


@contextmanager
def _open_libsndfile(raw: RawAudio) -> Iterator[soundfile.SoundFile]:
    try:
        file = _SequentialSoundFile(raw.handle, closefd=False)
    except soundfile.LibsndfileError as error:
        fork = next(filter(os.path.lexists, _RESOURCE_FORKS), None)
        if fork is not None and headers.mp3_samples(raw):
            raise UnreadableAudioError(
                f"libsndfile takes '{fork}' in the working folder for a part of it, as macOS stores them; move that "
                f"away, or work in another folder."
            ) from error
        if reason := describe(raw.read_at(0, HEAD_BYTES)):
            raise UnreadableAudioError(reason) from error
        if encoding := unsupported_encoding(raw):
            raise UnsupportedEncodingError(encoding) from error
        raise UnreadableAudioError(f"It is damaged or was cut short: libsndfile says '{_words(error)}'.") from error
    with file:
        if file.frames == 0 and file.format == "WAV" and (field := headers.unfinished_wav(raw)):
            offset, n_bytes = field
            with _patched(raw, offset, n_bytes.to_bytes(4, "little")) as whole, _SequentialSoundFile(whole) as repaired:
                yield repaired
        else:
            yield file


@contextmanager
def _patched(raw: RawAudio, offset: int, value: bytes) -> Iterator[BinaryIO]:
    """The bytes with `value` at `offset`, in memory; a file is mapped, so that most of it is not copied."""
    if isinstance(raw, OpenFile):
        with mmap.mmap(raw.handle, 0, access=mmap.ACCESS_COPY) as mapped:
            mapped[offset : offset + len(value)] = value
            yield cast(BinaryIO, mapped)
    else:
        data = bytearray(raw.read_at(0, raw.n_bytes))
        data[offset : offset + len(value)] = value
        yield io.BytesIO(data)


def _trusted_n_frames(file: soundfile.SoundFile, raw: RawAudio, *, has_mp3_length: bool) -> int | None:
    """The header's number of frames, None where it is only a guess.

    Raises:
        UnreadableAudioError: the header is broken, or promises more than the file holds.
    """
    check_header(file.channels, file.samplerate)
    held_s = file.frames / file.samplerate
    log = file.extra_info
    promised_s = held_s * headers.promised_ratio(log)
    if file.format == "NIST":
        nist_frames = headers.nist_frames(raw.read_at(0, headers.NIST_HEADER_BYTES))
        promised_s = (nist_frames or file.frames) / file.samplerate
    if promised_s - held_s > TOLERANCE_S:
        raise UnreadableAudioError(cut_short(promised_s, held_s))
    if headers.lacks_its_end(log, file.format, raw):
        raise UnreadableAudioError(cut_short(None, held_s))
    if (file.subtype == _MP3 and not has_mp3_length) or file.frames >= _LARGEST_FRAME_COUNT:
        return None  # a guess; or SF_COUNT_MAX, for a FLAC stream of unknown length
    return int(file.frames)


def _guess_is_short(file: soundfile.SoundFile, raw: RawAudio) -> bool:
    """Whether the length of an MP3 without a Xing header, at which libsndfile stops, is less than its frames hold."""
    return bool(headers.mp3_samples(raw) - file.frames > MP3_TOLERANCE_S * file.samplerate)


def encode_for_browser(samples: NDArray[np.float32], rate_hz: int) -> tuple[bytes, str]:
    """A small file that a browser plays: MP3, or WAV where libsndfile was built without MP3.

    Args:
        samples: (n_samples,) mono, full scale is 1.0.
        rate_hz: their rate, one that MP3 has, such as 16,000.

    Returns:
        The bytes, and their MIME type.
    """
    content = io.BytesIO()
    if not soundfile.check_format("MP3", "MPEG_LAYER_III"):
        soundfile.write(content, samples, rate_hz, format="WAV", subtype="PCM_16")
        return content.getvalue(), "audio/wav"
    soundfile.write(
        content,
        samples,
        rate_hz,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=_MP3_QUALITY,
        bitrate_mode="VARIABLE",
    )
    return content.getvalue(), "audio/mpeg"


def _words(error: soundfile.LibsndfileError) -> str:
    return str(error.error_string).removeprefix("Error :").strip().rstrip(".")
