"""A column of audio as DuckDB passes it, of any type that stands for audio, as one of three Arrow types.

`string`: paths and URLs. `binary`: contents of files. A STRUCT, such as the audio column of Hugging Face's `datasets`,
becomes `AUDIO`. The values of each are what `clips.clip_of` takes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from thano_duckdb.audio.wav import MAX_SAMPLES, float_wav
from thano_duckdb.errors import AudioError, did_you_mean

from . import arguments

AUDIO = pa.struct(
    [
        pa.field("bytes", pa.large_binary()),
        pa.field("path", pa.string()),
        pa.field("start", pa.float64()),
        pa.field("stop", pa.float64()),
        pa.field("relative_to", pa.string()),
        pa.field("problem", pa.string()),
    ]
)
"""An audio struct.

`bytes` are the content of a file, where it has any; a relative `path` is one from the folder of the file `relative_to`;
`problem` is the reason why there is no audio.
"""

_SOURCES = ("bytes", "array", "path")
"""Where the audio of a row is: in the first of these that is not NULL."""
_FIELDS = (*_SOURCES, "sampling_rate", "start", "stop")
_LOCATED = {"audio", "relative_to"}
_MAX_CHANNELS = 1024  # of libsndfile
_MAX_RATE_HZ = 1_000_000


def audio(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Paths and URLs as `string`, contents of files as `binary`, structs as `AUDIO`; NULL as any of them.

    Raises:
        AudioError: the type stands for no audio.
    """
    kind = column.type
    if arguments.is_blob(kind):
        return column if pa.types.is_binary(kind) else column.cast(pa.large_binary())
    if is_audio_struct(kind):
        return _of_structs(column)
    return arguments.strings(
        column,
        lambda of: AudioError(
            f"audio is a path or URL (VARCHAR), the content of a file (BLOB), or a STRUCT with bytes, array or path, "
            f"not {of}"
        ),
    )


def is_audio_struct(kind: pa.DataType) -> bool:
    """Whether a type is a STRUCT with audio in it, which may still lack a field, or have one of another type."""
    if not pa.types.is_struct(kind):
        return False
    names = _names(kind)
    return not names.isdisjoint(_SOURCES) or names == _LOCATED


def located(column: pa.ChunkedArray, files: pa.ChunkedArray) -> pa.ChunkedArray:
    """The structs that SQL makes of a column of audio and of the files that its relative paths stand in."""
    arrays = [_one_array(each) for each in (column, files)]
    return pa.chunked_array([pa.StructArray.from_arrays(arrays, ["audio", "relative_to"])])


def _of_structs(column: pa.ChunkedArray) -> pa.ChunkedArray:
    structs = _one_array(column)
    # Unlike `field`, it leaves nothing in the rows that are NULL.
    fields = {name.casefold(): array for name, array in zip(structs.type.names, structs.flatten(), strict=True)}
    if fields.keys() == _LOCATED:
        values = _one_array(audio(pa.chunked_array([fields["audio"]])))
        arrays = _arrays(values)
        arrays["relative_to"] = _text(fields["relative_to"], "relative_to")
        is_null = values.is_null()
    else:
        arrays = _arrays_of_fields(fields, len(structs))
        is_null = structs.is_null()
    children = [arrays.get(field.name, pa.nulls(len(structs), field.type)) for field in AUDIO]
    return pa.chunked_array([pa.StructArray.from_arrays(children, fields=list(AUDIO), mask=is_null)])


def _arrays(column: pa.Array) -> dict[str, pa.Array]:
    """The fields of `AUDIO` that a column of paths, of contents or of structs has."""
    if pa.types.is_struct(column.type):
        return dict(zip(column.type.names, column.flatten(), strict=True))
    if pa.types.is_string(column.type):
        return {"path": column}
    return {"bytes": column.cast(pa.large_binary())}


def _arrays_of_fields(fields: dict[str, pa.Array], n_rows: int) -> dict[str, pa.Array]:
    for name in fields:
        if name not in _FIELDS:
            hint = did_you_mean(name, list(_FIELDS)) or f" Its fields are {', '.join(_FIELDS)}."
            raise AudioError(f"an audio struct has no field '{name}'.{hint}")
    found: dict[str, pa.Array] = {name: _number(fields[name], name) for name in ("start", "stop") if name in fields}
    if "path" in fields:
        found["path"] = _text(fields["path"], "path")
    if "bytes" in fields:
        found["bytes"] = _contents(fields["bytes"])
    if "array" in fields:
        missing = found["bytes"].is_null().to_pylist() if "bytes" in found else [True] * n_rows
        made = list(_encoded(fields["array"], _rates(fields), missing))
        given = found["bytes"].to_pylist() if "bytes" in found else [None] * n_rows
        contents = [one if isinstance(one, bytes) else each for one, each in zip(made, given, strict=True)]
        found["bytes"] = pa.array(contents, pa.large_binary())
        found["problem"] = pa.array([one if isinstance(one, str) else None for one in made], pa.string())
    return found


def _text(column: pa.Array, name: str) -> pa.Array:
    return _one_array(
        arguments.strings(
            pa.chunked_array([column]),
            lambda of: AudioError(f"the field '{name}' of an audio struct must be text (VARCHAR), not {of}"),
        )
    )


def _contents(column: pa.Array) -> pa.Array:
    if not (arguments.is_blob(column.type) or pa.types.is_null(column.type)):
        raise AudioError(
            f"the field 'bytes' of an audio struct must be the content of a file (BLOB), not "
            f"{arguments.sql_name(column.type)}"
        )
    return column.cast(pa.large_binary())


def _number(column: pa.Array, name: str) -> pa.Array:
    return _one_array(arguments.number(f"the field '{name}' of an audio struct")(pa.chunked_array([column])))


def _rates(fields: dict[str, pa.Array]) -> list[float | None]:
    if "sampling_rate" not in fields:
        raise AudioError("an audio struct with the field 'array' needs the field 'sampling_rate' too")
    rates: list[float | None] = _number(fields["sampling_rate"], "sampling_rate").to_pylist()
    return rates


def _encoded(arrays: pa.Array, rates: list[float | None], wanted: list[bool]) -> Iterator[bytes | str | None]:
    """The content of a WAV file for each array, the reason why there is none, or None for NULL.

    Args:
        arrays: lists of samples, or lists of one such list per channel.
        rates: their sample rates.
        wanted: the rows that are looked at.
    """
    if pa.types.is_null(arrays.type):
        yield from [None] * len(arrays)
        return
    lists = _as_lists(arrays)
    nested = None if lists is None else _as_lists(lists.values)
    inner = lists if nested is None else nested
    if lists is None or inner is None or not _is_sample(inner.type.value_type):
        raise AudioError(
            f"the field 'array' of an audio struct must be samples between -1 and 1 (FLOAT[] or DOUBLE[]), or a list "
            f"of them for each channel, not {arguments.sql_name(arrays.type)}"
        )
    samples = inner.values.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)  # NULL as NaN
    bounds = inner.offsets.to_numpy()
    rows = lists.offsets.to_numpy()
    for row, (is_valid, rate_hz) in enumerate(zip(lists.is_valid().to_pylist(), rates, strict=True)):
        if not (is_valid and wanted[row]):
            yield None
            continue
        first, last = (rows[row], rows[row + 1]) if nested is not None else (row, row + 1)
        yield _wav([samples[bounds[at] : bounds[at + 1]] for at in range(first, last)], rate_hz)


def _wav(channels: list[NDArray[np.float32]], rate_hz: float | None) -> bytes | str:
    """The content of a WAV file, or the reason why there is none.

    Args:
        channels: (n_samples,) each.
        rate_hz: their sample rate.
    """
    if rate_hz is None:
        return "Its sampling_rate is NULL, so that nobody knows how fast its array plays."
    if not (0 < rate_hz <= _MAX_RATE_HZ and rate_hz == int(rate_hz)):
        return f"Its sampling_rate is {rate_hz:g}; it must be a whole number of Hz, {_MAX_RATE_HZ:,} at most."
    if not sum(map(len, channels)):
        return "Its array holds no audio (0 samples)."
    if len(channels) > _MAX_CHANNELS:
        return f"Its array has {len(channels):,} channels: a nested array holds one list per channel, not per sample."
    if len({len(channel) for channel in channels}) > 1:
        return "Its array has channels of different lengths."
    if sum(map(len, channels)) > MAX_SAMPLES:
        return f"Its array holds more than {MAX_SAMPLES:,} samples; cut it into parts."
    samples = np.stack(channels, axis=1)
    if not np.isfinite(samples).all():
        return "Its array holds samples that are NULL, NaN or infinite."
    return float_wav(samples, int(rate_hz))


def _as_lists(column: pa.Array) -> pa.Array | None:
    """Lists with offsets, whatever kind of list they were; None for what is no list."""
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return column
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return column.cast(pa.large_list(kind.value_type))
    return None


def _is_sample(kind: pa.DataType) -> bool:
    """Whether a type is a fraction, or that of `[]`: full scale is 1.0, while of an integer nobody knows what it is."""
    return bool(pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind))


def _names(kind: pa.DataType) -> set[str]:
    return {name.casefold() for name in kind.names}


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
