"""The options that say which audio is read, a part of the table in `options`: its column, and what of a recording.

`functions/audio_column.py` and `functions/clips.py` act on them.
"""

from __future__ import annotations

from .option import Option, StatementKind, ValueKind

_READ_AUDIO = frozenset(
    {
        StatementKind.PREDICT,
        StatementKind.EVALUATE,
        StatementKind.BUILD,
        StatementKind.FIT,
        StatementKind.PRINT_AUDIO,
    }
)

AUDIO_OPTIONS = (
    Option(
        "audio_col",
        "the column of audio: a path, a URL (http, https, s3, gs, az, hf), a BLOB with the content of a file, or a "
        "STRUCT: see [Audio columns](docs/audio-columns.md)",
        ValueKind.COLUMN,
        default="audio_path",
        used_by=_READ_AUDIO,
        goes_to_function=False,
    ),
    Option(
        "relative_to",
        "a column of files, such as `filename` of `read_parquet`: a relative path is one from the folder of that file",
        ValueKind.COLUMN,
        default_in_words="the working folder",
        used_by=_READ_AUDIO,
        goes_to_function=False,
    ),
    Option(
        "start",
        "where the part of each recording begins, in seconds; a STRUCT with a start or a stop has its own",
        ValueKind.SECONDS,
        default_in_words="its beginning",
        at_least=0,
        used_by=_READ_AUDIO,
    ),
    Option(
        "stop",
        "where that part ends, in seconds; a recording may end before",
        ValueKind.SECONDS,
        default_in_words="its end",
        above=0,
        used_by=_READ_AUDIO,
    ),
    Option(
        "audio_track",
        "which of the tracks with sound of a video is read, counted from 1",
        ValueKind.INTEGER,
        default=1,
        at_least=1,
        at_most=2**31 - 1,
        used_by=_READ_AUDIO,
    ),
)
