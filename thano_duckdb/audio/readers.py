"""Open a clip with the library that reads it. Today there is one, libsndfile; another one is chosen here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .failure import UnreadableAudioError
from .limits import ReadLimits
from .opened import OpenSound
from .raw import open_raw
from .signatures import HEAD_BYTES, TEXT_FILE, is_utf16_text
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
        with open_raw(clip, limits, in_parts=in_parts) as raw:
            if is_utf16_text(raw.read_at(0, HEAD_BYTES)):  # its first bytes look like those of an MPEG frame
                raise UnreadableAudioError(TEXT_FILE)
            with open_sndfile(raw) as sound:
                yield sound
    except MemoryError as error:
        raise UnreadableAudioError("There is not enough memory to decode it; cut it into parts first.") from error
    except OSError as error:  # a disk that fails, or a network drive that went away
        raise UnreadableAudioError(f"It cannot be read to its end: {error}.") from error
