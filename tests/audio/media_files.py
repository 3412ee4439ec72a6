"""Recordings of every container and encoding that is read, made with ffmpeg; docs/formats.md lists them.

Tests that use them skip where ffmpeg is not installed.
"""

from __future__ import annotations

import functools
import io
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.audio.sounds import encode, hiss, hum

FFMPEG = shutil.which("ffmpeg")
needs_ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="ffmpeg is not installed")

DURATION_S = 3.3
RATE_HZ = 44_100
Reader = Literal["libsndfile", "ffmpeg"]


@dataclass(frozen=True)
class MediaFormat:
    """A container with an encoding.

    Attributes:
        container: as people call it.
        encoding: as people call it.
        reader: the library that reads it.
        suffix: of a file.
        arguments: of ffmpeg, which make it from a WAV.
        name: `format` and `subtype` of `thano_audio_info`.
    """

    container: str
    encoding: str
    reader: Reader
    suffix: str
    arguments: str
    name: str

    @property
    def id(self) -> str:
        """A short name for a test."""
        return f"{self.container}-{self.encoding}".replace(" ", "_")


_MONO_16K = "-ar 16000 -ac 1"
_MONO_8K = "-ar 8000 -ac 1"
_VIDEO = "-f lavfi -i testsrc=d=3:s=160x120:r=10"  # a video that ends a little before its audio

FORMATS = (
    MediaFormat("WAV", "PCM", "libsndfile", "wav", "-c:a pcm_s16le", "WAV PCM_16"),
    MediaFormat("WAV", "A-law", "libsndfile", "wav", "-c:a pcm_alaw", "WAV ALAW"),
    MediaFormat("WAV", "mu-law", "libsndfile", "wav", "-c:a pcm_mulaw", "WAV ULAW"),
    MediaFormat("WAV", "MS ADPCM", "libsndfile", "wav", "-c:a adpcm_ms", "WAV MS_ADPCM"),
    MediaFormat("WAV", "IMA ADPCM", "libsndfile", "wav", "-c:a adpcm_ima_wav", "WAV IMA_ADPCM"),
    MediaFormat("WAV", "GSM 6.10", "libsndfile", "wav", f"-c:a libgsm_ms {_MONO_8K}", "WAV GSM610"),
    MediaFormat("WAV", "MP3", "libsndfile", "wav", "-c:a libmp3lame", "WAV MPEG_LAYER_III"),
    MediaFormat("WAV", "G.722", "ffmpeg", "wav", f"-c:a g722 {_MONO_16K}", "WAV ADPCM_G722"),
    MediaFormat("WAV", "G.726", "ffmpeg", "wav", f"-c:a g726 {_MONO_8K}", "WAV ADPCM_G726"),
    MediaFormat("WAV", "G.723.1", "ffmpeg", "wav", f"-c:a g723_1 -b:a 6300 {_MONO_8K}", "WAV G723_1"),
    MediaFormat("WAV", "AC-3", "ffmpeg", "wav", "-c:a ac3", "WAV AC3"),
    MediaFormat("WAV", "WMA", "ffmpeg", "wav", "-c:a wmav2", "WAV WMAV2"),
    MediaFormat("W64", "PCM", "libsndfile", "w64", "-c:a pcm_s16le", "W64 PCM_16"),
    MediaFormat("W64", "AC-3", "ffmpeg", "w64", "-c:a ac3", "W64 AC3"),
    MediaFormat("RF64", "PCM", "libsndfile", "wav", "-c:a pcm_s16le -rf64 always", "RF64 PCM_16"),
    MediaFormat("FLAC", "FLAC", "libsndfile", "flac", "", "FLAC PCM_16"),
    MediaFormat("Ogg", "Vorbis", "libsndfile", "ogg", "-c:a libvorbis", "OGG VORBIS"),
    MediaFormat("Ogg", "Opus", "libsndfile", "opus", "-c:a libopus -ar 48000", "OGG OPUS"),
    MediaFormat("Ogg", "FLAC", "ffmpeg", "oga", "-c:a flac", "OGG FLAC"),
    MediaFormat("Ogg", "Speex", "ffmpeg", "spx", f"-c:a libspeex {_MONO_16K}", "OGG SPEEX"),
    MediaFormat("Ogg with video", "Vorbis", "ffmpeg", "ogv", f"{_VIDEO} -c:v libtheora -c:a libvorbis", "OGG VORBIS"),
    MediaFormat("MP3", "MP3", "libsndfile", "mp3", "-c:a libmp3lame", "MP3 MPEG_LAYER_III"),
    MediaFormat(
        *("MP3", "MP3 of constant bit rate, no Xing header", "libsndfile", "mp3"),
        *("-c:a libmp3lame -b:a 96k -write_xing 0", "MP3 MPEG_LAYER_III"),
    ),
    MediaFormat(
        *("MP3", "MP3 of variable bit rate, no Xing header", "ffmpeg", "mp3"),
        *("-c:a libmp3lame -q:a 5 -write_xing 0", "MP3 MPEG_LAYER_III"),
    ),
    MediaFormat("MP2", "MP2", "libsndfile", "mp2", "-c:a mp2", "MP3 MPEG_LAYER_II"),
    MediaFormat("AIFF", "PCM", "libsndfile", "aiff", "", "AIFF PCM_16"),
    MediaFormat("AU", "PCM", "libsndfile", "au", "", "AU PCM_16"),
    MediaFormat("AU", "G.722", "ffmpeg", "au", f"-c:a g722 {_MONO_16K}", "AU ADPCM_G722"),
    MediaFormat("CAF", "PCM", "libsndfile", "caf", "-c:a pcm_s16le", "CAF PCM_16"),
    MediaFormat("CAF", "ALAC", "ffmpeg", "caf", "-c:a alac", "CAF ALAC"),
    MediaFormat("CAF", "Opus", "ffmpeg", "caf", "-c:a libopus -ar 48000", "CAF OPUS"),
    MediaFormat("M4A", "AAC", "ffmpeg", "m4a", "-c:a aac", "MP4 AAC"),
    MediaFormat("M4A, index first", "AAC", "ffmpeg", "m4a", "-c:a aac -movflags faststart", "MP4 AAC"),
    MediaFormat(
        *("M4A in fragments", "AAC", "ffmpeg", "m4a"),
        *("-c:a aac -movflags empty_moov+default_base_moof -frag_duration 1000000", "MP4 AAC"),
    ),
    MediaFormat("M4A", "ALAC", "ffmpeg", "m4a", "-c:a alac", "MP4 ALAC"),
    MediaFormat("MP4", "FLAC", "ffmpeg", "mp4", "-c:a flac -strict -2", "MP4 FLAC"),
    MediaFormat("MP4", "Opus", "ffmpeg", "mp4", "-c:a libopus -ar 48000 -strict -2", "MP4 OPUS"),
    MediaFormat("MP4", "MP3", "ffmpeg", "mp4", "-c:a libmp3lame", "MP4 MPEG_LAYER_III"),
    MediaFormat("MP4", "AC-3", "ffmpeg", "mp4", "-c:a ac3", "MP4 AC3"),
    MediaFormat("MP4", "E-AC-3", "ffmpeg", "mp4", "-c:a eac3", "MP4 EAC3"),
    MediaFormat("MP4 with video", "AAC", "ffmpeg", "mp4", f"{_VIDEO} -c:v libx264 -c:a aac", "MP4 AAC"),
    MediaFormat("MOV", "PCM", "ffmpeg", "mov", "-c:a pcm_s16le", "MOV PCM_S16LE"),
    MediaFormat("MOV with video", "AAC", "ffmpeg", "mov", f"{_VIDEO} -c:v mpeg4 -c:a aac", "MOV AAC"),
    MediaFormat("3GP", "AAC", "ffmpeg", "3gp", "-c:a aac", "MP4 AAC"),
    MediaFormat("AAC (ADTS)", "AAC", "ffmpeg", "aac", "-c:a aac", "AAC AAC"),
    MediaFormat("AAC (LATM)", "AAC", "ffmpeg", "loas", "-c:a aac -f latm", "LATM AAC_LATM"),
    MediaFormat("WebM", "Opus", "ffmpeg", "webm", "-c:a libopus -ar 48000", "WEBM OPUS"),
    MediaFormat("WebM", "Vorbis", "ffmpeg", "webm", "-c:a libvorbis", "WEBM VORBIS"),
    MediaFormat("WebM without length", "Opus", "ffmpeg", "webm", "-c:a libopus -ar 48000 -live 1", "WEBM OPUS"),
    MediaFormat(
        "WebM with video", "Opus", "ffmpeg", "webm", f"{_VIDEO} -c:v libvpx -c:a libopus -ar 48000", "WEBM OPUS"
    ),
    MediaFormat("Matroska", "AAC", "ffmpeg", "mka", "-c:a aac", "MKV AAC"),
    MediaFormat("Matroska", "FLAC", "ffmpeg", "mka", "-c:a flac", "MKV FLAC"),
    MediaFormat("Matroska", "PCM", "ffmpeg", "mka", "-c:a pcm_s24le", "MKV PCM_S24LE"),
    MediaFormat("Matroska with video", "AC-3", "ffmpeg", "mkv", f"{_VIDEO} -c:v libx264 -c:a ac3", "MKV AC3"),
    MediaFormat("WMA", "WMA 2", "ffmpeg", "wma", "-c:a wmav2", "ASF WMAV2"),
    MediaFormat("WMA", "WMA 1", "ffmpeg", "wma", "-c:a wmav1", "ASF WMAV1"),
    MediaFormat("WMV", "WMA 2", "ffmpeg", "wmv", f"{_VIDEO} -c:v wmv2 -c:a wmav2", "ASF WMAV2"),
    MediaFormat("AVI", "MP3", "ffmpeg", "avi", "-c:a libmp3lame", "AVI MPEG_LAYER_III"),
    MediaFormat("AVI with video", "PCM", "ffmpeg", "avi", f"{_VIDEO} -c:v mpeg4 -c:a pcm_s16le", "AVI PCM_S16LE"),
    MediaFormat("AVI with video", "AC-3", "ffmpeg", "avi", f"{_VIDEO} -c:v mpeg4 -c:a ac3", "AVI AC3"),
    MediaFormat("FLV", "AAC", "ffmpeg", "flv", "-c:a aac", "FLV AAC"),
    MediaFormat("MPEG-TS", "AAC", "ffmpeg", "ts", "-c:a aac", "MPEGTS AAC"),
    MediaFormat(
        "MPEG-TS with video", "MP2", "ffmpeg", "ts", f"{_VIDEO} -c:v mpeg2video -c:a mp2", "MPEGTS MPEG_LAYER_II"
    ),
    MediaFormat("MPEG-PS", "MP2", "ffmpeg", "mpg", "-c:a mp2", "MPEGPS MPEG_LAYER_II"),
    MediaFormat("AC-3", "AC-3", "ffmpeg", "ac3", "", "AC3 AC3"),
    MediaFormat("E-AC-3", "E-AC-3", "ffmpeg", "eac3", "", "EAC3 EAC3"),
    MediaFormat("DTS", "DTS", "ffmpeg", "dts", "-c:a dca -strict -2", "DTS DTS"),
    MediaFormat("WavPack", "WavPack", "ffmpeg", "wv", "", "WAVPACK WAVPACK"),
    MediaFormat("TTA", "TTA", "ffmpeg", "tta", "", "TTA TTA"),
    MediaFormat("AMR", "AMR-NB", "ffmpeg", "amr", "", "AMR AMR_NB"),
    MediaFormat("AMR", "AMR-WB", "ffmpeg", "awb", "", "AMR AMR_WB"),
    MediaFormat("3GP", "AMR-NB", "ffmpeg", "3gp", "", "MP4 AMR_NB"),
    MediaFormat("G.722 (by its suffix)", "G.722", "ffmpeg", "g722", _MONO_16K, "G722 ADPCM_G722"),
)
OF_FFMPEG = tuple(each for each in FORMATS if each.reader == "ffmpeg")


@functools.cache
def made(media: MediaFormat, duration_s: float = DURATION_S) -> bytes:
    """A stereo recording in this format, or mono where it has only one channel."""
    if media.encoding == "AMR-NB":
        return _amr_nb(media.suffix, duration_s)
    if media.encoding == "AMR-WB":
        return _amr_wb(duration_s)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.wav"), Path(folder, f"made.{media.suffix}")
        sound = hum(duration_s, RATE_HZ, 2) * 0.5 + hiss(duration_s, RATE_HZ, 2) * 0.2
        source.write_bytes(encode(sound, "WAV", "PCM_16", RATE_HZ))
        run_ffmpeg("-i", str(source), *media.arguments.split(), str(target))
        return target.read_bytes()


def _amr_nb(suffix: str, duration_s: float) -> bytes:
    """Made by PyAV: Debian's ffmpeg has no encoder of AMR."""
    samples = (hum(duration_s, 8_000) * 32_767).astype(np.int16).T
    content = io.BytesIO()
    with av.open(content, "w", format=suffix) as container:
        stream = container.add_stream("libopencore_amrnb", rate=8_000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        frame.sample_rate = 8_000
        for each in (frame, None):
            container.mux(stream.encode(each))
    return content.getvalue()


def _amr_wb(duration_s: float) -> bytes:
    """Frames of random bits, of 20 ms at 23.85 kbit/s: nothing that is easily installed encodes AMR-WB."""
    random = np.random.default_rng(0)
    return b"#!AMR-WB\n" + b"".join(b"\x44" + random.bytes(60) for _ in range(round(duration_s * 50)))


def run_ffmpeg(*arguments: str) -> bytes:
    """Run ffmpeg, and return its standard output."""
    assert FFMPEG is not None
    command = [FFMPEG, "-v", "error", "-nostdin", "-y", *arguments]
    return subprocess.run(command, capture_output=True, check=True, timeout=120).stdout


def decoded_by_ffmpeg(path: Path, n_channels: int, *arguments: str) -> NDArray[np.float32]:
    """The samples as ffmpeg decodes them, (frames, channels), at the rate of the file."""
    kind = ("-f", "g722") if path.suffix == ".g722" else ()
    raw = run_ffmpeg(*kind, "-i", str(path), "-map", "0:a:0", *arguments, "-f", "f32le", "-")
    return np.frombuffer(raw, np.float32).reshape(-1, n_channels)
