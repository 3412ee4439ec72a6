"""A STRUCT as audio: the audio column of Hugging Face's `datasets`, decoded arrays, and parts of recordings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

import thano_duckdb
from tests.audio.sounds import encode, hum
from tests.conftest import Utterance
from thano_duckdb import ThanoError, ThanoWarning

N_CLIPS = 6
EMPTY = "The audio struct is empty: its content and its path are NULL."
FEATURES = {"audio": {"sampling_rate": 16000, "_type": "Audio"}, "text": {"dtype": "string", "_type": "Value"}}
HUB_SCHEMA = pa.schema(
    [("audio", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("text", pa.string())],
    metadata={"huggingface": json.dumps({"info": {"features": FEATURES}})},
)


@pytest.fixture
def con(tmp_path: Path) -> Iterator[thano_duckdb.Connection]:
    with thano_duckdb.connect(model_home=tmp_path / "models", progress=False) as connection:
        yield connection


@pytest.fixture(scope="module", params=["datasets", "pyarrow"])
def hub_files(
    request: pytest.FixtureRequest, an4_test: list[Utterance], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The pattern of two Parquet files as Hugging Face's hub has them, of the first clips of an4."""
    folder = tmp_path_factory.mktemp(request.param)
    clips = an4_test[:N_CLIPS]
    for part in range(2):
        chosen = clips[part::2]
        path = folder / f"part-{part}.parquet"
        if request.param == "datasets":
            datasets = pytest.importorskip("datasets")
            columns = {"audio": [clip.audio_path for clip in chosen], "text": [clip.text for clip in chosen]}
            made = datasets.Dataset.from_dict(columns).cast_column("audio", datasets.Audio(sampling_rate=16_000))
            made.to_parquet(str(path))
        else:
            audio = [
                {"bytes": Path(clip.audio_path).read_bytes(), "path": Path(clip.audio_path).name} for clip in chosen
            ]
            texts = [clip.text for clip in chosen]
            pq.write_table(pa.Table.from_pydict({"audio": audio, "text": texts}, HUB_SCHEMA), path)
        assert pq.read_schema(path).field("audio").type == HUB_SCHEMA.field("audio").type
    return str(folder / "part-*.parquet")


@pytest.fixture
def files(con: thano_duckdb.Connection, an4_test: list[Utterance]) -> str:
    """A table of the same clips as files, in the same order as the rows of `hub_files`."""
    clips = an4_test[:N_CLIPS:2] + an4_test[1:N_CLIPS:2]
    con.execute("CREATE TABLE files (audio_path VARCHAR, text VARCHAR)")
    con.executemany("INSERT INTO files VALUES (?, ?)", [[clip.audio_path, clip.text] for clip in clips])
    return "files"


# The layout of the hub


def test_predict_reads_the_parquet_files_of_the_hub(
    con: thano_duckdb.Connection, an4_model: Path, hub_files: str, files: str
) -> None:
    include = "include=['words', 'duration', 'error']"
    found = con.sql(
        f"PREDICT USING '{an4_model}' OPTIONS (audio_col='audio', {include}) AS SELECT * FROM '{hub_files}'"
    )
    assert found.columns == ["audio", "text", "predicted", "words", "duration", "error"]
    expected = con.sql(f"PREDICT USING '{an4_model}' OPTIONS ({include}) AS SELECT * FROM {files}").fetchall()
    assert without_confidence(found.fetchall()) == without_confidence(expected)
    assert all(row[2] for row in expected)


def without_confidence(rows: list[tuple[Any, ...]]) -> list[Any]:
    """Rows of audio, text, predicted, words and more without what depends on the other clips of a batch."""
    return [
        (text, predicted, [(word["word"], word["start"], word["end"]) for word in words], *more)
        for _, text, predicted, words, *more in rows
    ]


def test_evaluate_and_build_read_the_parquet_files_of_the_hub(
    con: thano_duckdb.Connection, an4_model: Path, hub_files: str, files: str
) -> None:
    statement = "EVALUATE USING '{}' OPTIONS (audio_col='{}') AS SELECT * FROM {}"
    evaluate = f"SELECT metric, score FROM ({statement}) WHERE metric <> 'speed'"
    assert (
        con.sql(evaluate.format(an4_model, "audio", f"'{hub_files}'")).fetchall()
        == con.sql(evaluate.format(an4_model, "audio_path", files)).fetchall()
    )
    options = "OPTIONS (audio_col='{}', epochs=1, on_error='fail')"
    of_hub = con.sql(
        f"BUILD MODEL of_hub USING '{an4_model}' {options.format('audio')} AS SELECT * FROM '{hub_files}'"
    ).fetchall()
    con.sql(f"FIT MODEL more USING of_hub {options.format('audio')} AS SELECT * FROM '{hub_files}'")
    of_files = con.sql(
        f"BUILD MODEL of_files USING '{an4_model}' {options.format('audio_path')} AS SELECT * FROM {files}"
    ).fetchall()
    hours, skipped = 8, 9
    assert [(row[hours], row[skipped]) for row in of_hub] == [(row[hours], row[skipped]) for row in of_files]
    assert of_hub[0][skipped] == 0


def test_print_audio_and_audio_info_read_the_parquet_files_of_the_hub(
    con: thano_duckdb.Connection, hub_files: str, files: str
) -> None:
    info = "duration, sample_rate, channels, frames, format, subtype, error"
    printed = con.sql(f"PRINT AUDIO OPTIONS (audio_col='audio') AS SELECT * FROM '{hub_files}'").select(info).fetchall()
    called = con.sql(f"SELECT unnest(thano_audio_info(audio)) FROM '{hub_files}'").select(info).fetchall()
    expected = con.sql(f"PRINT AUDIO AS SELECT * FROM {files}").select(info).fetchall()
    assert printed == called == expected
    assert expected[0][5] == "PCM_16"


def test_show_plays_structs(con: thano_duckdb.Connection, an4_model: Path, hub_files: str) -> None:
    result = con.sql(f"PREDICT USING '{an4_model}' OPTIONS (audio_col='audio') AS SELECT * FROM '{hub_files}'")
    for rows in (result, result.to_arrow_table(), result.df(), result.pl()):
        page = thano_duckdb.show(rows).html
        assert page.count("<audio") == N_CLIPS
        assert "fLaC" not in page  # the content itself


def test_no_rows_of_structs_are_no_error(con: thano_duckdb.Connection, an4_model: Path, hub_files: str) -> None:
    none = f"SELECT * FROM '{hub_files}' WHERE text = 'nothing'"
    result = con.sql(f"PREDICT USING '{an4_model}' OPTIONS (audio_col='audio') AS {none}")
    assert result.fetchall() == []
    assert "<audio" not in thano_duckdb.show(result).html
    assert "<audio" not in thano_duckdb.show(result.to_arrow_table().slice(0, 0)).html


def test_the_table_macros_read_structs(
    con: thano_duckdb.Connection, an4_model: Path, hub_files: str, files: str
) -> None:
    con.execute(f"CREATE VIEW hub AS FROM '{hub_files}'")
    predict = "SELECT predicted FROM thano_predict('{}', '{}', audio_col := '{}')"
    assert (
        con.sql(predict.format(an4_model, "hub", "audio")).fetchall()
        == con.sql(predict.format(an4_model, files, "audio_path")).fetchall()
    )


def test_statements_read_structs_with_large_arrow_buffers(
    con: thano_duckdb.Connection, an4_model: Path, hub_files: str, files: str
) -> None:
    """Which DuckDB needs for more than 2 GiB of contents in one call."""
    con.execute("SET arrow_large_buffer_size=true")
    options = "OPTIONS (audio_col='audio')"
    texts = con.sql(f"PREDICT USING '{an4_model}' {options} AS FROM '{hub_files}'").select("predicted").fetchall()
    assert texts == con.sql(f"PREDICT USING '{an4_model}' AS FROM {files}").select("predicted").fetchall()
    scores = dict(con.sql(f"EVALUATE USING '{an4_model}' {options} AS FROM '{hub_files}'").fetchall())
    assert (scores["clips"], scores["failed"]) == (N_CLIPS, 0)
    options = "OPTIONS (audio_col='audio', epochs=1, on_error='fail')"
    assert con.sql(f"BUILD MODEL m USING '{an4_model}' {options} AS FROM '{hub_files}'").fetchall()


def test_each_row_has_its_content_or_else_its_path(
    con: thano_duckdb.Connection, an4_model: Path, an4_test: list[Utterance]
) -> None:
    paths = [clip.audio_path for clip in an4_test[:3]]
    rows: list[dict[str, Any] | None] = [
        {"bytes": Path(paths[0]).read_bytes(), "path": "no such file.flac"},
        {"bytes": None, "path": paths[1]},
        None,
        {"bytes": Path(paths[2]).read_bytes(), "path": None},
    ]
    source = pa.table({"audio_path": pa.array(rows, HUB_SCHEMA.field("audio").type)})
    con.execute("CREATE TABLE clips AS FROM source")
    assert len(source) == len(rows)
    con.execute("CREATE TABLE paths AS SELECT unnest(?) AS audio_path", [[*paths[:2], None, paths[2]]])
    texts = "SELECT predicted FROM (PREDICT USING '{}' AS FROM {})"
    found = con.sql(texts.format(an4_model, "clips")).fetchall()
    assert found == con.sql(texts.format(an4_model, "paths")).fetchall()
    assert found[2] == (None,)


def test_a_failed_content_is_named_by_its_path(con: thano_duckdb.Connection, an4_model: Path) -> None:
    audio = "{'bytes': 'no audio'::BLOB, 'path': 'rain.flac'}"
    with pytest.warns(ThanoWarning, match=r"1 clip could not be transcribed .* \(rain\.flac: "):
        con.sql(f"PREDICT USING '{an4_model}' AS SELECT {audio} AS audio_path").fetchall()


# Paths from the folder of a file


def test_relative_paths_are_found_beside_the_file_that_names_them(
    con: thano_duckdb.Connection, an4_model: Path, an4_test: list[Utterance], tmp_path: Path
) -> None:
    clips = an4_test[:2]
    for number, clip in enumerate(clips):
        (tmp_path / f"{number}" / "clips").mkdir(parents=True)
        (tmp_path / f"{number}" / "clips" / "a.flac").write_bytes(Path(clip.audio_path).read_bytes())
        audio = [{"bytes": None, "path": "clips/a.flac"}, {"bytes": None, "path": clip.audio_path}]
        table = pa.Table.from_pydict({"audio": audio, "text": [clip.text] * 2}, HUB_SCHEMA)
        pq.write_table(table, tmp_path / f"{number}" / "data.parquet")
    source = f"SELECT * FROM read_parquet('{tmp_path}/*/data.parquet', filename=true)"
    options = "OPTIONS (audio_col='audio', relative_to='filename')"
    rows = con.sql(f"PREDICT USING '{an4_model}' {options} AS {source}")
    texts = [row[-1] for row in rows.fetchall()]
    expected = con.execute(
        f"SELECT thano_transcribe('{an4_model}', unnest(?)).text", [[clip.audio_path for clip in clips]]
    ).fetchall()
    assert texts == [text for (text,) in expected for _ in range(2)]
    assert dict(con.sql(f"EVALUATE USING '{an4_model}' {options} AS {source}").fetchall())["failed"] == 0
    assert con.sql(f"PRINT AUDIO {options} AS {source}").filter("error IS NULL").fetchall()
    options = options.replace(")", ", epochs=1, on_error='fail')")
    built = con.sql(f"BUILD MODEL m USING '{an4_model}' {options} AS {source}").fetchall()
    assert built[0][9] == 0


def test_relative_paths_of_text_are_found_beside_a_manifest(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(encode(hum(1), "WAV"))
    (tmp_path / "manifest.csv").write_text("audio_path\na.wav\n\nnone.wav\n")
    rows = con.sql(
        f"PRINT AUDIO OPTIONS (relative_to='filename') AS FROM read_csv('{tmp_path}/manifest.csv', filename=true)"
    ).select("duration, error")
    assert rows.fetchall() == [(1.0, None), (None, None), (None, f"No such file: '{tmp_path}/none.wav'.")]


def test_an_unknown_column_of_files_is_an_error_at_its_name(con: thano_duckdb.Connection) -> None:
    with pytest.raises(thano_duckdb.DialectError, match=r"PRINT AUDIO reads the column 'filenam'.* Did you mean"):
        con.sql(
            "PRINT AUDIO OPTIONS (relative_to='filenam') AS SELECT 'a.wav' AS audio_path, 'b' AS filename"
        ).fetchall()


# Decoded arrays


@pytest.mark.parametrize("kind", ["FLOAT[]", "DOUBLE[]", "FLOAT[1600]", "DOUBLE[][]", "FLOAT[1600][]"])
def test_arrays_are_audio(con: thano_duckdb.Connection, kind: str, tmp_path: Path) -> None:
    channels = 2 if kind.count("[") == 2 else 1
    sound = hum(0.1, channels=channels)
    soundfile.write(tmp_path / "sound.wav", sound, 16_000, subtype="FLOAT")
    array = sound.T.tolist() if channels == 2 else sound[:, 0].tolist()
    con.execute(
        f"CREATE TABLE t AS SELECT {{'path': NULL, 'array': ?::{kind}, 'sampling_rate': 16000}} AS audio", [array]
    )
    info = con.execute("SELECT thano_audio_info(audio), thano_audio_info(?) FROM t", [str(tmp_path / "sound.wav")])
    of_array, of_file = info.fetchall()[0]
    assert of_array == of_file
    assert of_array["channels"] == channels


def test_arrays_are_transcribed_as_their_files(
    con: thano_duckdb.Connection, an4_model: Path, an4_test: list[Utterance]
) -> None:
    paths = [clip.audio_path for clip in an4_test[:3]]
    arrays = [soundfile.read(path, dtype="float32")[0] for path in paths]
    rows: list[dict[str, Any] | None] = [
        {"path": "name.flac", "array": array, "sampling_rate": 16_000} for array in arrays
    ]
    rows.insert(1, None)
    kind = pa.struct([("path", pa.string()), ("array", pa.list_(pa.float64())), ("sampling_rate", pa.int64())])
    source = pa.table({"audio": pa.array(rows, kind), "text": ["a", "b", "c", "d"]})
    con.execute("CREATE TABLE clips AS FROM source")
    query = f"SELECT x.text, x.duration, x.error FROM (SELECT thano_transcribe('{an4_model}', {{}}) AS x {{}})"
    found = con.sql(query.format("audio", "FROM clips")).fetchall()
    expected = con.execute(query.format("unnest(?)", ""), [[paths[0], None, *paths[1:]]]).fetchall()
    assert found == expected
    assert len(source) == 4


@pytest.mark.parametrize(
    ("audio", "reason"),
    [
        (
            "{'bytes': NULL::BLOB, 'path': NULL::VARCHAR}",
            EMPTY,
        ),
        ("{'bytes': NULL, 'path': NULL}", EMPTY),
        (
            "{'path': NULL::VARCHAR, 'start': 1.0, 'stop': 2.0}",
            EMPTY,
        ),
        ("{'bytes': ''::BLOB, 'path': 'a.wav'}", "It is empty (0 bytes)."),
        ("{'path': ''}", "The path is empty."),
        ("{'path': 'no such file.wav'}", "No such file: "),
        ("{'array': [0.1], 'sampling_rate': NULL::INTEGER}", "Its sampling_rate is NULL"),
        ("{'array': [0.1], 'sampling_rate': 0}", "Its sampling_rate is 0; it must be a whole number of Hz"),
        ("{'array': [0.1], 'sampling_rate': 16000.5}", "Its sampling_rate is 16000.5; it must be a whole"),
        ("{'array': [0.1], 'sampling_rate': 'nan'::DOUBLE}", "Its sampling_rate is nan; it must be a whole number"),
        ("{'array': [0.1], 'sampling_rate': 20}", "1 channel at 20 Hz (rates from 1000 to 768000 Hz are read)."),
        ("{'array': []::FLOAT[], 'sampling_rate': 16000}", "Its array holds no audio (0 samples)."),
        ("{'array': [], 'sampling_rate': 16000}", "Its array holds no audio (0 samples)."),
        ("{'array': [[], []], 'sampling_rate': 16000}", "Its array holds no audio (0 samples)."),
        ("{'array': NULL, 'sampling_rate': NULL}", EMPTY),
        ("{'array': [0.1, NULL], 'sampling_rate': 16000}", "Its array holds samples that are NULL, NaN or infinite."),
        ("{'array': ['inf'::DOUBLE], 'sampling_rate': 16000}", "NULL, NaN or infinite."),
        ("{'array': [[0.1], [0.1, 0.2]], 'sampling_rate': 16000}", "Its array has channels of different lengths."),
        (
            "{'array': [[0.1] for i in range(2000)], 'sampling_rate': 16000}",
            "Its array has 2,000 channels: a nested array holds one list per channel, not per sample.",
        ),
        ("{'path': '{wav}', 'start': -1.0, 'stop': 2.0}", "The part from -1 to 2 s is not possible"),
        ("{'path': '{wav}', 'start': 2, 'stop': 1}", "The part from 2 to 1 s is not possible"),
        ("{'path': '{wav}', 'start': 'nan'::DOUBLE}", "is not possible: it must start at 0 s or later"),
        ("{'path': '{wav}', 'start': 4}", "The part from 4.00 s on lies outside the audio, which lasts 3.00 s."),
        ("{'path': '{wav}', 'start': 1e300}", "The part from 1e+300 s on lies outside the audio"),
        ("{'path': '{wav}', 'start': 1, 'stop': 4}", "The part from 1.00 s to 4.00 s lies outside the audio"),
    ],
)
def test_a_struct_without_usable_audio_is_a_reason_in_one_sentence(
    con: thano_duckdb.Connection, any_small_model: Path, tmp_path: Path, audio: str, reason: str
) -> None:
    (tmp_path / "sound.wav").write_bytes(encode(hum(3), "WAV"))
    audio = audio.replace("{wav}", str(tmp_path / "sound.wav"))
    con.execute(f"CREATE TABLE t AS SELECT {audio} AS audio_path, 'a' AS text")
    for call in ("thano_audio_info(audio_path)", f"thano_transcribe('{any_small_model}', audio_path)"):
        with warnings_ignored():
            ((error,),) = con.sql(f"SELECT ({call}).error FROM t").fetchall()
        assert reason in error
        assert error.endswith(".")


def test_training_skips_structs_without_usable_audio(con: thano_duckdb.Connection, any_small_model: Path) -> None:
    audio = "{'bytes': NULL::BLOB, 'path': NULL::VARCHAR}"
    reason = r"cannot be used for training \(The audio struct is empty: its content and its path are NULL\.\)"
    with pytest.raises(ThanoError, match=reason):
        con.sql(f"BUILD MODEL m USING '{any_small_model}' AS SELECT {audio} AS audio_path, 'a' AS text")


def warnings_ignored() -> Any:
    import warnings

    return warnings.catch_warnings(action="ignore", category=ThanoWarning)


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (
            "{'bytes': 'text', 'path': 'a.wav'}",
            "field 'bytes' of an audio struct must be the content of a file .* not VARCHAR",
        ),
        ("{'bytes': ''::BLOB, 'path': ['a']}", r"field 'path' of an audio struct must be text \(VARCHAR\), not a LIST"),
        ("{'path': 'a', 'start': '1'}", r"field 'start' of an audio struct must be a number \(DOUBLE\), not VARCHAR"),
        ("{'path': 'a', 'stop': [1]}", r"field 'stop' of an audio struct must be a number \(DOUBLE\), not INTEGER\[\]"),
        ("{'path': 'a', 'stopp': 1}", "an audio struct has no field 'stopp'. Did you mean 'stop'?"),
        ("{'path': 'a', 'x': 1}", "no field 'x'. Its fields are bytes, array, path, sampling_rate, start, stop"),
        ("{'array': [0.1]}", "an audio struct with the field 'array' needs the field 'sampling_rate' too"),
        ("{'array': [0.1], 'sampling_rate': 'cd'}", "field 'sampling_rate' of an audio struct must be a number"),
        ("{'array': [1, 2], 'sampling_rate': 16000}", r"must be samples between -1 and 1 \(.*\), .*, not INTEGER\[\]"),
        ("{'array': 'abc', 'sampling_rate': 16000}", r"must be samples between -1 and 1 .* not VARCHAR"),
    ],
)
def test_a_struct_of_wrong_types_is_an_error_in_one_sentence(
    con: thano_duckdb.Connection, audio: str, message: str
) -> None:
    with pytest.raises(ThanoError, match=message):
        con.sql(f"SELECT thano_audio_info({audio})").fetchall()


def test_fields_are_found_whatever_their_case(con: thano_duckdb.Connection) -> None:
    ((duration,),) = con.execute(
        "SELECT thano_audio_info({'Bytes': ?::BLOB, 'PATH': 'x'}).duration", [encode(hum(1), "WAV")]
    ).fetchall()
    assert duration == 1.0


# What the database may read


def test_a_path_in_a_struct_obeys_the_rules_of_the_database(tmp_path: Path, any_small_model: Path) -> None:
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    for folder in (allowed, secret):
        folder.mkdir()
        (folder / "a.wav").write_bytes(encode(hum(1), "WAV"))
    with thano_duckdb.connect(model_home=tmp_path / "models") as con:
        con.execute(f"SET allowed_directories=['{allowed}']; SET enable_external_access=false")
        content = (secret / "a.wav").read_bytes()
        for audio, is_read in (
            (f"{{'path': '{allowed}/a.wav', 'start': 0.5}}", True),
            (f"{{'path': '{secret}/a.wav', 'start': 0.5}}", False),
            (f"{{'path': '{secret}/missing.wav', 'bytes': NULL::BLOB}}", False),
            (f"{{'path': '{allowed}/../secret/a.wav'}}", False),
            (f"{{'audio': '../secret/a.wav', 'relative_to': '{allowed}/x.parquet'}}", False),
            (f"{{'audio': 'a.wav', 'relative_to': '{allowed}/x.parquet'}}", True),
            (f"{{'audio': {{'path': 'a.wav'}}, 'relative_to': '{secret}/x.parquet'}}", False),
            (f"{{'path': '{secret}/a.wav', 'bytes': $content::BLOB}}", True),  # only its name
        ):
            parameters = {"content": content} if "$content" in audio else None
            ((error,),) = con.execute(f"SELECT thano_audio_info({audio}).error", parameters).fetchall()
            assert (error is None) is is_read, audio
            assert is_read or "may not read files or URLs" in error
        with pytest.raises(ThanoError, match=r"may not (read files or URLs|write files)"):
            con.sql(
                f"BUILD MODEL m USING Wav2Vec2TinyEn AS SELECT {{'path': '{secret}/a.wav'}} AS audio_path, 'a' AS text"
            )


# Parts of recordings


@pytest.fixture
def recording(an4_test: list[Utterance], tmp_path: Path) -> tuple[Path, list[tuple[float, float]]]:
    """A recording of three clips of an4 with pauses between them, and the part in which each is."""
    pause = np.zeros(8_000, np.float32)
    samples: list[Any] = [pause]
    parts = []
    for clip in an4_test[:3]:
        sound, _ = soundfile.read(clip.audio_path, dtype="float32")
        start = sum(map(len, samples)) / 16_000
        parts.append((start, start + len(sound) / 16_000))
        samples += [sound, pause]
    path = tmp_path / "recording.flac"
    soundfile.write(path, np.concatenate(samples), 16_000, subtype="PCM_16")
    return path, parts


def test_parts_of_a_recording_have_its_times(
    con: thano_duckdb.Connection,
    an4_model: Path,
    an4_test: list[Utterance],
    recording: tuple[Path, list[tuple[float, float]]],
) -> None:
    path, parts = recording
    con.execute("CREATE TABLE parts (start DOUBLE, stop DOUBLE)")
    con.executemany("INSERT INTO parts VALUES (?, ?)", parts)
    found = con.sql(
        f"SELECT unnest(thano_transcribe('{an4_model}', {{'path': '{path}', 'start': start, 'stop': stop}})) FROM parts"
    ).fetchall()
    alone = con.execute(
        f"SELECT unnest(thano_transcribe('{an4_model}', p)) FROM (SELECT unnest(?) AS p)",
        [[clip.audio_path for clip in an4_test[:3]]],
    ).fetchall()
    text, confidence, duration, words = range(4)
    for part, clip, (start, _) in zip(found, alone, parts, strict=True):
        assert part[text] == clip[text]
        assert part[confidence] == pytest.approx(clip[confidence], abs=1e-3)
        assert part[duration] == clip[duration]
        assert [word["word"] for word in part[words]] == [word["word"] for word in clip[words]]
        for ours, theirs in zip(part[words], clip[words], strict=True):
            assert ours["start"] == pytest.approx(theirs["start"] + start)
            assert ours["end"] == pytest.approx(theirs["end"] + start)


def test_hotwords_of_a_part_have_the_times_of_the_recording(
    con: thano_duckdb.Connection, an4_model: Path, recording: tuple[Path, list[tuple[float, float]]]
) -> None:
    path, ((start, stop), *_) = recording
    part = f"{{'path': '{path}', 'start': {start}, 'stop': {stop}}}"
    ((words,),) = con.sql(f"SELECT thano_transcribe('{an4_model}', {part}).words").fetchall()
    ((hotwords,),) = con.sql(
        f"SELECT thano_transcribe('{an4_model}', {part}, {{'hotwords': '{words[0]['word']}'}}).hotwords"
    ).fetchall()
    assert hotwords[0]["start"] == pytest.approx(words[0]["start"], abs=0.1)
    assert hotwords[0]["start"] >= start


def test_the_options_start_and_stop_name_a_part_of_each_recording(
    con: thano_duckdb.Connection, an4_model: Path, recording: tuple[Path, list[tuple[float, float]]], tmp_path: Path
) -> None:
    path, parts = recording
    start, stop = parts[1]
    part = f"{{'path': '{path}', 'start': {start}, 'stop': {stop}}}"
    options = f"OPTIONS (start={start}, stop={stop}, include='words')"
    ((_, text, words),) = con.sql(f"PREDICT USING '{an4_model}' {options} AS SELECT '{path}' AS audio_path").fetchall()
    assert [(text, words)] == con.sql(
        f"SELECT x.text, x.words FROM (SELECT thano_transcribe('{an4_model}', {part}) AS x)"
    ).fetchall()
    rows = f"SELECT '{path}' AS audio_path, '{text}' AS text"
    evaluate = f"EVALUATE USING '{an4_model}' OPTIONS (start={start}, stop={stop}) AS {rows}"
    scores = dict(con.sql(evaluate).fetchall())
    assert (scores["wer"], scores["audio_hours"]) == (0, pytest.approx((stop - start) / 3600))
    ((duration, frames),) = (
        con.sql(f"PRINT AUDIO OPTIONS (start={start}, stop={stop}) AS SELECT '{path}' AS audio_path")
        .select("duration, frames")
        .fetchall()
    )
    assert duration == pytest.approx(stop - start)
    assert frames == round((stop - start) * 16_000)
    built = con.sql(
        f"BUILD MODEL m USING '{an4_model}' OPTIONS (epochs=1, start={start}, stop={stop}, on_error='fail') AS {rows}"
    ).fetchall()
    assert built[0][8] == pytest.approx((stop - start) / 3600, rel=0.01)


def test_a_part_of_a_row_wins_over_the_options_and_a_short_recording_ends_before_stop(
    con: thano_duckdb.Connection, tmp_path: Path
) -> None:
    (tmp_path / "sound.wav").write_bytes(encode(hum(3), "WAV"))
    path = tmp_path / "sound.wav"

    def duration(audio: str, options: str) -> Any:
        return con.sql(f"SELECT unnest(thano_audio_info({audio}, {options}))").select("duration, error").fetchall()[0]

    assert duration(f"'{path}'", "{'start': 1, 'stop': 30}") == (2.0, None)
    assert duration(f"'{path}'", "{'stop': 2}") == (2.0, None)
    assert duration(f"{{'path': '{path}'}}", "{'start': 1}") == (2.0, None)
    assert duration(f"{{'path': '{path}', 'start': 2.5, 'stop': NULL}}", "{'stop': 2}") == (0.5, None)
    none, reason = duration(f"'{path}'", "{'start': 5}")
    assert (none, reason) == (None, "The part from 5.00 s on lies outside the audio, which lasts 3.00 s.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("start=-1", "start.* of at least 0"),
        ("stop=0", "stop.* above 0"),
        ("start='x'", "start.* a number"),
        ("start=5, stop=2", r"option 'stop' is 2 s, which is not after option 'start' \(5 s\)"),
    ],
)
def test_an_impossible_part_in_the_options_is_an_error(
    con: thano_duckdb.Connection, any_small_model: Path, options: str, message: str
) -> None:
    rows = "SELECT 'a.wav' AS audio_path, 'a' AS text"
    for statement in ("PREDICT USING '{}'", "EVALUATE USING '{}'", "PRINT AUDIO", "BUILD MODEL m USING '{}'"):
        with pytest.raises(ThanoError, match=message):
            con.sql(f"{statement.format(any_small_model)} OPTIONS ({options}) AS {rows}").fetchall()
