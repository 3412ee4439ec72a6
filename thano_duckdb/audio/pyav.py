"""Clips that ffmpeg reads, by way of PyAV. Nothing else in the package touches PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from thano_duckdb.errors import counted

from . import headers, mp4_atoms
from .containers import DEMUXERS, Container
from .failure import UnreadableAudioError, UnsupportedEncodingError, cut_short, cut_short_to
from .mp4_index import check_index
from .opened import Block, OpenSound, check_header
from .promised_bytes import promised_bytes
from .pyav_frames import samples_of, uniform
from .raw import RawAudio
from .raw_handle import RawHandle

if TYPE_CHECKING:  # importing it takes 60 ms, which most statements do not need
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

TOLERANCE_S = 0.1
"""A file may hold this much less than its header says: the lengths of many containers are rounded to packets."""

_BLOCK_FRAMES = 1 << 15
_BUFFER_BYTES = 1 << 16

_DECODERS = (
    *("aac", "aac_latm", "alac", "als", "mp1float", "mp2", "mp3float", "opus", "vorbis", "flac", "speex"),
    *("ac3", "eac3", "dca", "truehd", "mlp", "amrnb", "amrwb", "evrc", "qcelp", "gsm", "gsm_ms", "ilbc", "nellymoser"),
    *("wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice", "wavpack", "tta", "ape", "truespeech", "qdm2", "qdmc"),
    *("g722", "g723_1", "g726", "g726le", "g729", "mace3", "mace6", "adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt"),
    *("adpcm_yamaha", "adpcm_swf", "pcm_alaw", "pcm_mulaw", "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be"),
    *("pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be"),
    *("pcm_s16le_planar", "pcm_s16be_planar", "pcm_dvd", "pcm_bluray", "atrac3"),
)
"""All that ffmpeg may decode here: no picture, no subtitle, no format of games."""

_SEEKABLE_DECODERS = ("pcm_", "alac", "flac")
"""Their packets stand alone: decoding from any of them on gives the very samples that reading on would."""

OPEN_OPTIONS = {
    "format_whitelist": ",".join(sorted(DEMUXERS)),
    "codec_whitelist": ",".join(_DECODERS),
    "protocol_whitelist": "none",  # a file that names other files or addresses opens none of them
}
_SUBTYPES = {"mp3": "MPEG_LAYER_III", "mp2": "MPEG_LAYER_II", "mp1": "MPEG_LAYER_I"}

_DEMUXERS_WITH_LENGTH = ("mov", "avi", "ogg", "tta", "wv", "ape", "g722")
"""They know the length of each track; the others guess it from the bit rate or take that of the longest track."""

_DEMUXERS_OF_CONSTANT_RATE = ("wav", "w64", "aiff", "au")
_CODECS_OF_CONSTANT_RATE = ("pcm", "adpcm")
"""These containers know it where the size of the data says it."""

_DEMUXERS_WITH_GAPS = ("mov", "avi", "matroska", "asf")
"""Where a track starts late or pauses, less is decoded than its length. Only MP4 and MOV give each packet its exact
time; whether the others were cut short shows in their size."""

_TOLERATED_BYTES = 256
"""Some programs count the header twice, or leave out a pad byte at the end."""


@dataclass(frozen=True, kw_only=True)
class PyavSound(OpenSound):
    """A track of a clip opened by ffmpeg.

    Attributes:
        container: ffmpeg's view of the file.
        stream: the track.
        layout: of its channels, as ffmpeg writes it.
        demuxer: ffmpeg's name of what reads the container.
        handle: the bytes.
    """

    container: InputContainer
    stream: AudioStream
    layout: str
    demuxer: str
    handle: RawHandle

    def blocks(self, start_frame: int = 0) -> Iterator[Block]:
        """See `OpenSound`. The delay of the encoder is removed where the file says how long it is, as by ffmpeg."""
        import av

        n_done = 0
        gathered: list[Block] = []  # a packet gives 20 ms, which is little for the resampler
        n_gathered = 0
        try:
            n_done = self._seek(start_frame)
            for frame in uniform(self._frames(), self.rate_hz, self.n_channels, self.layout):
                samples = samples_of(frame)
                n_skipped = max(0, start_frame - n_done)
                n_done += len(samples)
                gathered.append(samples[n_skipped:])
                n_gathered += len(gathered[-1])
                if n_gathered >= _BLOCK_FRAMES:
                    yield _joined(gathered)
                    gathered, n_gathered = [], 0
        except (av.FFmpegError, ValueError) as error:  # PyAV has some of its own
            self._check_disk()
            raise UnreadableAudioError(
                f"It is damaged or was cut short: its audio cannot be decoded after {n_done / self.rate_hz:.2f} s"
                f"{_words(error)}; copy or download it again."
            ) from error
        if n_gathered:
            yield _joined(gathered)
        if self.n_frames is not None and self.demuxer not in _DEMUXERS_WITH_GAPS:
            self._check_end(n_done / self.rate_hz)

    def _seek(self, start_frame: int) -> int:
        """Go to the packet that holds `start_frame`, and return the number of its first frame; 0 without seeking."""
        stream, first = self.stream, self.stream.start_time or 0
        ticks_per_frame = 1 / (self.rate_hz * stream.time_base) if stream.time_base else None
        seeks_exactly = (
            self.demuxer == "mov"
            and stream.codec_context.name.startswith(_SEEKABLE_DECODERS)
            and ticks_per_frame == 1
            and first == 0
        )
        if not start_frame or not seeks_exactly:
            return 0
        self.container.seek(start_frame, stream=stream)
        position = next((packet.pts for packet in self.container.demux(stream)), None)
        self.container.seek(start_frame if position is not None and position <= start_frame else 0, stream=stream)
        return position if position is not None and position <= start_frame else 0

    def _frames(self) -> Iterator[AudioFrame]:
        """All that follows the position, as the decoder gives it.

        Raises:
            UnreadableAudioError: the file ends before its header says.
        """
        end = 0
        for packet in self._packets():
            self._check_disk()
            if packet.is_corrupt and self.demuxer != "mpegts":  # only its beginning is in the file
                raise UnreadableAudioError(cut_short(self._promised_s, self._seconds(packet.pts or end)))
            if packet.pts is not None:
                end = max(end, packet.pts + (packet.duration or 0))
            yield from packet.decode()
        self._check_disk()
        if self.demuxer == "mov":
            self._check_end(self._seconds(end))

    def _packets(self) -> Iterator[Packet[AudioStream]]:
        """The packets of the track, and at the end one that is empty."""
        # PyAV fails after the last one where tracks appeared that the file did not have at its beginning.
        with suppress(IndexError):
            yield from self.container.demux(self.stream)

    @property
    def _promised_s(self) -> float | None:
        return None if self.n_frames is None else self.n_frames / self.rate_hz

    def _seconds(self, pts: int) -> float:
        return max(0.0, float((pts - (self.stream.start_time or 0)) * (self.stream.time_base or 0)))

    def _check_end(self, held_s: float) -> None:
        """Compare what was decoded with what the header promised."""
        if self._promised_s is not None and self._promised_s - held_s > TOLERANCE_S:
            raise UnreadableAudioError(cut_short(self._promised_s, held_s))

    def _check_disk(self) -> None:
        if self.handle.error is not None:
            raise self.handle.error


@contextmanager
def open_pyav(raw: RawAudio, container: Container, audio_track: int = 1, *, encoding: str = "") -> Iterator[PyavSound]:
    """Open a track of a clip and check its header.

    Args:
        raw: the bytes.
        container: what they are.
        audio_track: which of the tracks with sound, counted from 1.
        encoding: what it is encoded as, if that is known, for the message where ffmpeg does not read it.

    Raises:
        UnreadableAudioError: with the reason.
    """
    import av

    n_promised = promised_bytes(raw, container.demuxer)
    if n_promised - raw.n_bytes > _TOLERATED_BYTES:
        raise UnreadableAudioError(cut_short_to(raw.n_bytes / n_promised))
    if container.demuxer == "mov" and not mp4_atoms.has_index(raw):
        raise UnreadableAudioError(
            "It was cut short, or the recording was not finished: its index (moov), which is written last, is missing."
        )
    if container.demuxer == "mov":
        check_index(raw)
    if container.demuxer == "ogg" and headers.lacks_its_end("", "OGG", raw):
        raise UnreadableAudioError("The file was cut short: its end is missing; copy or download it again.")
    handle = RawHandle(raw)
    try:
        opened = av.open(
            handle,
            "r",
            format=container.demuxer,
            options=OPEN_OPTIONS,
            metadata_errors="replace",
            buffer_size=_BUFFER_BYTES,
        )
    except (av.FFmpegError, ValueError) as error:
        if handle.error is not None:
            raise handle.error from error
        raise UnreadableAudioError(
            f"It is damaged or was cut short: its header ({container.name}) cannot be read{_words(error)}; copy or "
            f"download it again."
        ) from error
    with opened:
        if handle.error is not None:  # what ffmpeg did not find may be in the part that could not be read
            raise handle.error
        stream = _track(opened, audio_track)
        if container.demuxer == "mov":
            _check_encryption(raw, audio_track)
        codec = _checked_codec(stream, encoding)
        if not (stream.channels and stream.rate):
            if encoding:
                raise UnsupportedEncodingError(encoding)
            raise UnreadableAudioError("It is damaged: its header does not say how its audio is encoded.")
        check_header(stream.channels, stream.rate)
        yield PyavSound(
            rate_hz=stream.rate,
            n_channels=stream.channels,
            n_frames=_n_frames(opened, stream, container),
            format=container.name,
            subtype=_SUBTYPES.get(codec, codec.upper()),
            n_bytes=raw.n_bytes,
            container=opened,
            stream=stream,
            layout=stream.layout.name,
            demuxer=container.demuxer,
            handle=handle,
        )


def _track(opened: InputContainer, audio_track: int) -> AudioStream:
    """The track that is wanted; of the others nothing is read.

    Raises:
        UnreadableAudioError: it does not exist.
    """
    from av.stream import Discard

    tracks = opened.streams.audio
    if not tracks:
        what = "It is a video without audio" if opened.streams.video else "It holds no audio track"
        raise UnreadableAudioError(f"{what}.")
    check_track(audio_track, len(tracks))
    chosen = tracks[audio_track - 1]
    for stream in opened.streams:
        stream.discard = Discard.default if stream is chosen else Discard.all
    return chosen


def check_track(audio_track: int, n_tracks: int) -> None:
    """Refuse a track that a clip does not have.

    Raises:
        UnreadableAudioError: it names those that exist.
    """
    if not 1 <= audio_track <= n_tracks:
        raise UnreadableAudioError(
            f"It has no audio track {audio_track}: it has {counted(n_tracks, 'audio track')}, counted from 1."
        )


def _check_encryption(raw: RawAudio, audio_track: int) -> None:
    if any(mp4_atoms.encrypted_tracks(raw)[audio_track - 1 : audio_track]):
        raise UnreadableAudioError("Its audio is encrypted (copy protection, DRM), so that it cannot be read.")


def _checked_codec(stream: AudioStream, encoding: str) -> str:
    """The name of the encoding, and set up its decoder."""
    context = stream.codec_context
    if context is None or context.name not in _DECODERS:
        name = "an unknown codec" if context is None else context.codec.canonical_name
        raise UnsupportedEncodingError(encoding or name)
    context.thread_count = 1  # clips are decoded side by side
    return context.codec.canonical_name


def _n_frames(opened: InputContainer, stream: AudioStream, container: Container) -> int | None:
    """Samples of each channel by the header, None where it does not know or only guesses."""
    rate_hz = stream.rate
    duration_s: float | None = None
    has_length = container.demuxer in _DEMUXERS_WITH_LENGTH or (
        container.demuxer in _DEMUXERS_OF_CONSTANT_RATE
        and stream.codec_context.codec.canonical_name.startswith(_CODECS_OF_CONSTANT_RATE)
    )
    if has_length and stream.duration and stream.time_base:
        duration_s = float(stream.duration * stream.time_base)
    elif container.demuxer == "matroska" and (ends_s := _clock_s(stream.metadata.get("DURATION", ""))):
        duration_s = ends_s - float((stream.start_time or 0) * (stream.time_base or 0))
    elif container.demuxer in ("matroska", "asf") and not opened.streams.video and opened.duration:
        duration_s = opened.duration / 1e6
    return round(duration_s * rate_hz) if duration_s is not None and duration_s > 0 else None


def _clock_s(text: str) -> float | None:
    """Seconds of a time such as `00:01:02.500000000`, None where it is none."""
    try:
        hours, minutes, seconds = (float(part) for part in text.split(":"))
    except ValueError:
        return None
    return hours * 3600 + minutes * 60 + seconds


def _joined(blocks: list[Block]) -> Block:
    """Blocks of one type as one."""
    return cast(Block, np.concatenate(blocks))


def _words(error: Exception) -> str:
    """What ffmpeg says, in parentheses, where that is more than that something is wrong."""
    from av.error import MemoryError, PatchWelcomeError

    return f" (ffmpeg says '{error.strerror}')" if isinstance(error, PatchWelcomeError | MemoryError) else ""
