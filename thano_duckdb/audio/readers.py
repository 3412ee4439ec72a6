"""Open a clip with the library that reads it: libsndfile, or ffmpeg where libsndfile cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from . import headers
from .containers import G722, Container, ffmpeg_container, shared_container
from .failure import UnreadableAudioError, UnsupportedEncodingError
from .limits import ReadLimits
from .opened import OpenSound
from .pyav import check_track, open_pyav
from .raw import RawAudio, open_raw
from .signatures import HEAD_BYTES, TEXT_FILE, is_text, is_utf16_text
from .sndfile import open_sndfile
from .source import Clip


@contextmanager
def open_sound(clip: Clip, limits: ReadLimits, *, in_parts: bool = False) -> Iterator[OpenSound]:
    """Open a clip and check its header. Errors while it is being read come with a reason, too.

    For `in_parts`, a clip at a URL need not be fetched as a whole: only a part of it is read, such as its header.

    The sound is that of the whole file: `parts.selected_blocks` picks the channel and the part that `clip` names.

    Raises:
        UnreadableAudioError: with the reason.
    """
    try:
        with open_raw(clip, limits, in_parts=in_parts) as raw, ExitStack() as opened:
            yield _opened(raw, clip, opened)
    except MemoryError as error:
        raise UnreadableAudioError("There is not enough memory to decode it; cut it into parts first.") from error
    except OSError as error:  # a disk that fails, or a network drive that went away
        raise UnreadableAudioError(f"It cannot be read to its end: {error}.") from error


def _opened(raw: RawAudio, clip: Clip, opened: ExitStack) -> OpenSound:
    """The sound, which `opened` closes."""
    head = raw.read_at(0, HEAD_BYTES)
    if is_utf16_text(head):  # its first bytes look like those of an MPEG frame
        raise UnreadableAudioError(TEXT_FILE)
    if container := _of_ffmpeg(raw, clip):
        return opened.enter_context(open_pyav(raw, container, clip.audio_track))
    if clip.audio_track > 1 and head.startswith(b"OggS"):  # libsndfile finds only the first
        return opened.enter_context(open_pyav(raw, shared_container(head), clip.audio_track))
    try:
        sound = opened.enter_context(open_sndfile(raw))
    except UnsupportedEncodingError as error:
        other = open_pyav(raw, shared_container(head), clip.audio_track, encoding=error.encoding)
        return opened.enter_context(other)
    check_track(clip.audio_track, 1)
    return sound


def _of_ffmpeg(raw: RawAudio, clip: Clip) -> Container | None:
    """The container of a file that only ffmpeg reads."""
    head = raw.read_at(headers.after_id3(raw), HEAD_BYTES)
    if container := ffmpeg_container(head):
        return container
    return G722 if clip.location.lower().endswith(".g722") and not is_text(head) else None
