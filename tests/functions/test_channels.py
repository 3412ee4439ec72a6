"""The channels of a recording: their mean, one of them, or a row for each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import thano_duckdb
from tests.audio.sounds import encode
from tests.audio.test_mixing import call, line_noise, side_by_side, voice
from tests.conftest import Utterance
from thano_duckdb import ThanoError, ThanoWarning
from thano_duckdb.audio.decode import decode
from thano_duckdb.functions import engine_calls
from thano_duckdb.speech import local_runner
from thano_duckdb.speech.cache import MemoryCache

RATE_HZ = 16_000
MODEL = "Wav2Vec2TinyEn"
EACH = f"PREDICT USING {MODEL} OPTIONS (channel='each', include=['words', 'error'])"


@pytest.fixture
def con(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, any_small_model: Path) -> Iterator[thano_duckdb.Connection]:
    """A table `calls`: a call with two voices, the same voice on both channels, one channel, NULL, and no audio."""
    monkeypatch.chdir(tmp_path)
    for name, sound in {
        "call": call(),
        "same": np.repeat(voice(4)[:, None], 2, axis=1),
        "mono": voice(5)[:, None],
        "opposite": side_by_side(voice(6), -voice(6)),
    }.items():
        (tmp_path / f"{name}.wav").write_bytes(encode(sound, "WAV", "PCM_16"))
    (tmp_path / "text.wav").write_text("no audio")
    with thano_duckdb.connect(progress=False) as connection:
        connection.execute(
            "CREATE TABLE calls AS FROM (VALUES (1, 'call.wav'), (2, 'same.wav'), (3, 'mono.wav'), (4, NULL), "
            "(5, 'text.wav'), (6, 'opposite.wav')) AS t (id, audio_path)"
        )
        yield connection


@pytest.fixture
def transcribed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int | None]]:
    """Location and channel of each clip that is decoded to be transcribed."""
    found: list[tuple[str, int | None]] = []

    def recording(clip: Any, **arguments: Any) -> Any:
        found.append((clip.location, clip.channel))
        return decode(clip, **arguments)

    monkeypatch.setattr(local_runner, "decode", recording)
    cache = MemoryCache()
    monkeypatch.setattr(engine_calls, "process_cache", lambda: cache)
    return found


def thano_warnings(act: Callable[[], object]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act()
    return [str(each.message) for each in caught if issubclass(each.category, ThanoWarning)]


failing = pytest.mark.filterwarnings("ignore:.*could not be transcribed:thano_duckdb.ThanoWarning")


@failing
def test_each_channel_gets_a_row_and_every_clip_at_least_one(
    con: thano_duckdb.Connection, transcribed: list[tuple[str, int | None]]
) -> None:
    rows = con.sql(f"SELECT id, channel, predicted, error FROM ({EACH} AS FROM calls)").fetchall()
    assert [row[:2] for row in rows] == [(1, 1), (1, 2), (2, 1), (3, 1), (4, None), (5, None), (6, 1)]
    assert [row[2] is None for row in rows] == [False, False, False, False, True, True, False]
    assert [row[3] is None for row in rows] == [True, True, True, True, True, False, True]
    assert "text file" in rows[5][3] or "not" in rows[5][3]
    counts = {location: transcribed.count((location, 1)) for location, _ in transcribed}
    assert counts == {"call.wav": 1, "same.wav": 0, "mono.wav": 0, "text.wav": 0, "opposite.wav": 0}
    assert transcribed.count(("same.wav", 0)) == 1


def test_a_channel_has_the_text_and_the_word_times_of_its_own_file(
    con: thano_duckdb.Connection, tmp_path: Path
) -> None:
    for channel in (0, 1):
        (tmp_path / f"{channel + 1}.wav").write_bytes(encode(call()[:, channel : channel + 1], "WAV", "PCM_16"))
    alone = (
        f"PREDICT USING {MODEL} OPTIONS (include='words') AS SELECT i || '.wav' AS audio_path FROM range(1, 3) t (i)"
    )
    expected = con.sql(f"SELECT predicted, words FROM ({alone})").fetchall()
    call_alone = "SELECT * FROM calls WHERE id = 1"
    assert con.sql(f"SELECT predicted, words FROM ({EACH} AS {call_alone})").fetchall() == expected
    for channel in (1, 2):
        one = f"PREDICT USING {MODEL} OPTIONS (channel={channel}, include='words') AS {call_alone}"
        assert con.sql(f"SELECT predicted, words FROM ({one})").fetchall() == [expected[channel - 1]]
        in_sql = f"thano_transcribe('{MODEL}', audio_path, channel := {channel})"
        assert con.sql(f"SELECT {in_sql}.text, {in_sql}.words FROM calls WHERE id = 1").fetchall() == [
            expected[channel - 1]
        ]


def test_the_cache_keeps_the_channels_apart(
    con: thano_duckdb.Connection, transcribed: list[tuple[str, int | None]]
) -> None:
    query = "SELECT * FROM calls WHERE id = 1"
    texts: dict[str, list[Any]] = {}
    for channel in ("1", "2", "'mix'", "1", "2", "'mix'"):
        found = con.sql(f"PREDICT USING {MODEL} OPTIONS (channel={channel}) AS {query}").fetchall()
        assert texts.setdefault(channel, found) == found
    assert sorted(map(str, transcribed)) == ["('call.wav', 0)", "('call.wav', 1)", "('call.wav', None)"]
    con.sql(f"{EACH} AS {query}").fetchall()
    assert len(transcribed) == 3


def test_limit_and_filters_act_before_the_model(
    con: thano_duckdb.Connection, transcribed: list[tuple[str, int | None]]
) -> None:
    each = f"{EACH} AS SELECT id + 10 * i AS id, audio_path FROM calls, range(3) t (i) WHERE id IN (1, 3) ORDER BY ALL"
    con.execute(f"CREATE TABLE many AS SELECT id, audio_path FROM ({each})").fetchall()
    assert transcribed == []  # only the rows were asked for
    assert con.sql("SELECT id FROM many").fetchall() == [(i + 10 * n,) for n in range(3) for i in (1, 1, 3)]
    rows = con.sql(f"SELECT channel, predicted FROM ({EACH} AS FROM calls WHERE id <> 5) WHERE channel = 2").fetchall()
    assert [channel for channel, _ in rows] == [2]
    assert transcribed == [("call.wav", 1)]
    transcribed.clear()
    assert len(con.sql(f"SELECT * FROM ({EACH} AS FROM calls) LIMIT 1").fetchall()) == 1
    assert transcribed == [("call.wav", 0)]


@failing
def test_many_rows_keep_their_order(con: thano_duckdb.Connection) -> None:
    many = "SELECT i, audio_path FROM range(3000) t (i) JOIN calls ON id = 1 + i % 5 ORDER BY i"
    con.execute(f"CREATE TABLE many AS {EACH} AS {many}")
    channels: list[list[int | None]] = [[1, 2], [1], [1], [None], [None]]
    assert con.sql("SELECT i, channel FROM many").fetchall() == [
        (i, channel) for i in range(3000) for channel in channels[i % 5]
    ]


def test_a_column_called_channel_is_replaced_with_a_warning(con: thano_duckdb.Connection) -> None:
    query = f"{EACH} AS SELECT 'left' AS Channel, * FROM calls WHERE id = 1"
    columns: list[list[str]] = []
    (sentence,) = thano_warnings(lambda: columns.append(con.sql(query).df().columns.tolist()))
    assert columns == [["id", "audio_path", "channel", "predicted", "words", "error"]]
    assert "'Channel'" in sentence


@failing
def test_a_channel_that_does_not_exist_is_the_reason_in_error(con: thano_duckdb.Connection) -> None:
    sentence = "It has no channel 2: it has 1 channel, counted from 1."
    predict = f"PREDICT USING {MODEL} OPTIONS (channel=2, include='error') AS FROM calls WHERE id = 3"
    assert con.sql(f"SELECT predicted, error FROM ({predict})").fetchall() == [(None, sentence)]
    info = con.sql("PRINT AUDIO OPTIONS (channel=2) AS FROM calls WHERE id IN (1, 3)")
    assert info.project("channels, error").fetchall() == [(2, None), (None, sentence)]
    for channel in (0, -1):
        call_of = f"thano_transcribe('{MODEL}', audio_path, channel := {channel}).error"
        ((error,),) = con.sql(f"SELECT {call_of} FROM calls WHERE id = 1").fetchall()
        assert error == f"It has no channel {channel}: it has 2 channels, counted from 1."
    scores = dict(
        con.sql(
            f"EVALUATE USING {MODEL} OPTIONS (channel=2) AS SELECT *, 'a' AS text FROM calls WHERE id = 3"
        ).fetchall()
    )
    assert scores["failed"] == 1


def test_functions_say_what_they_take_as_a_channel(con: thano_duckdb.Connection) -> None:
    with pytest.raises(
        ThanoError, match=r"thano_transcribe gives one transcript per row.*thano_channels\(audio_path\)"
    ):
        con.sql(f"SELECT thano_transcribe('{MODEL}', audio_path, {{'channel': 'each'}}) FROM calls").fetchall()
    with pytest.raises(ThanoError, match="must be a whole number"):
        con.sql(f"SELECT thano_transcribe('{MODEL}', audio_path, channel := 'left') FROM calls").fetchall()
    with pytest.raises(ThanoError, match="the left channel is 1"):
        con.sql(f"PREDICT USING {MODEL} OPTIONS (channel=left) AS FROM calls")
    found = con.sql("SELECT thano_channels(audio_path) FROM calls ORDER BY id").fetchall()
    assert found == [([1, 2],), ([1],), ([1],), ([None],), ([None],), ([1],)]


def test_a_mix_of_two_voices_is_warned_of_once_per_statement(con: thano_duckdb.Connection) -> None:
    query = f"PREDICT USING {MODEL} AS SELECT * FROM calls, range(3) WHERE id IN (1, 2, 3)"
    relation = con.sql(query)

    def read_twice() -> None:
        relation.fetchall()
        relation.fetchall()

    (sentence,) = thano_warnings(read_twice)
    assert sentence.startswith("The channels of 1 clip (call.wav) differ as the voices of two speakers do")
    assert "channel='each'" in sentence
    assert thano_warnings(lambda: con.sql(query).fetchall()) == [sentence]  # also where the transcripts were kept
    for channel in ("'mix'", "'each'", "1"):
        assert thano_warnings(con.sql(query.replace(" AS", f" OPTIONS (channel={channel}) AS", 1)).fetchall) == []
    evaluate = f"EVALUATE USING {MODEL} AS SELECT *, 'a' AS text FROM calls WHERE id = 1"
    assert thano_warnings(con.sql(evaluate).fetchall) == [sentence]


def test_a_function_that_mixes_two_voices_names_functions(con: thano_duckdb.Connection) -> None:
    function = f"SELECT thano_transcribe('{MODEL}', audio_path{{}}).text FROM calls WHERE id = 1"
    (sentence,) = thano_warnings(con.sql(function.format("")).fetchall)
    assert "thano_transcribe(.., channel := 1) reads the first one" in sentence
    assert "PREDICT" not in sentence
    assert thano_warnings(con.sql(function.format(", {'channel': 'mix'}")).fetchall) == []
    assert thano_warnings(con.sql(function.format(", channel := 1")).fetchall) == []


def test_channels_that_cancel_each_other_have_the_text_of_the_first(con: thano_duckdb.Connection) -> None:
    query = "SELECT * FROM calls WHERE id = 6"
    predict = f"PREDICT USING {MODEL} OPTIONS (include='confidence') AS {query}"
    (sentence,) = thano_warnings(con.sql(predict).fetchall)
    assert sentence.startswith("The channels of 1 clip (opposite.wav) cancel each other")
    assert "channel='each'" in sentence
    first = predict.replace("include", "channel=1, include")
    assert con.sql(first.replace("channel=1", "channel='mix'")).fetchall() == con.sql(first).fetchall()


@pytest.mark.usefixtures("bundled_model")
def test_a_call_becomes_a_dialogue_in_one_statement(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    (tmp_path / "call.wav").write_bytes(encode(line_noise(call(), -60), "WAV", "PCM_16"))
    dialogue = f"""
        SELECT id, unnest(thano_turns(channel, words), recursive := true)
        FROM ({EACH} AS FROM calls WHERE id IN (1, 3, 4)) GROUP BY id ORDER BY ALL
    """
    relation = con.sql(dialogue)
    assert relation.columns == ["id", "turn", "channel", "start", "end", "text"]
    rows = relation.fetchall()
    turns = [row[1:] for row in rows if row[0] == 1]
    assert [turn[:2] for turn in turns] == [(1, 1), (2, 2), (3, 1), (4, 2)]
    ends_s = np.cumsum([len(voice(number)) for number in range(4)]) / RATE_HZ
    for (_, _, start_s, end_s, _), begins_s, ends in zip(turns, [0, *ends_s], ends_s, strict=False):
        assert begins_s <= start_s < end_s <= ends
    said = con.sql(f"SELECT channel, predicted FROM ({EACH} AS FROM calls WHERE id = 1)").fetchall()
    for channel, text in said:
        assert " ".join(turn[-1] for turn in turns if turn[1] == channel) == text
    assert len([row for row in rows if row[0] == 3]) == 1


def test_thano_turns_takes_words_with_times(con: thano_duckdb.Connection) -> None:
    assert con.sql("SELECT thano_turns(1, NULL)").fetchall() == [([],)]
    assert con.sql("SELECT thano_turns(id, NULL) FROM calls WHERE false").fetchall() == [([],)]
    word = "[{'word': 'a', 'start': 0, 'end': 1}]"
    assert con.sql(f"SELECT thano_turns(NULL, {word})").fetchall() == [
        ([{"turn": 1, "channel": None, "start": 0.0, "end": 1.0, "text": "a"}],)
    ]
    decimals = "[{'word': 'a', 'start': 0.5, 'end': 1.25}]"  # DuckDB reads 0.5 as DECIMAL
    assert con.sql(f"SELECT thano_turns(1, {decimals})").fetchall() == [
        ([{"turn": 1, "channel": 1, "start": 0.5, "end": 1.25, "text": "a"}],)
    ]
    no_time = "[{'word': 'a', 'start': NULL, 'end': 1}]"
    no_number = "[{'word': 'a', 'start': '0', 'end': '1'}]"
    no_text = "[{'word': 1, 'start': 0, 'end': 1}]"
    for wrong in ("'a b'", "['a', 'b']", "[{'text': 'a'}]", no_time, no_number, no_text):
        with pytest.raises(ThanoError, match="include='words'"):
            con.sql(f"SELECT thano_turns(1, {wrong})").fetchall()
    with pytest.raises(ThanoError, match="from 0 on, not -1"):
        con.sql(f"SELECT thano_turns(1, {word}, pause := -1)").fetchall()
    with pytest.raises(ThanoError, match="the channel must be a number"):
        con.sql(f"SELECT thano_turns('left', {word})").fetchall()


# Real speech


def _two_speakers(clips: list[Utterance]) -> tuple[list[Utterance], list[Utterance]]:
    speakers = sorted({clip.speaker for clip in clips})[:2]
    first, second = ([clip for clip in clips if clip.speaker == speaker][:3] for speaker in speakers)
    return first, second


@pytest.mark.parametrize("takes_turns", [True, False])
def test_the_speakers_of_a_call_have_the_words_of_their_own_clips(
    an4_test: list[Utterance], an4_model: Path, tmp_path: Path, takes_turns: bool
) -> None:
    sides: list[list[Any]] = [[], []]
    for pair in zip(*_two_speakers(an4_test), strict=True):
        spoken = [soundfile.read(clip.audio_path, dtype="float32")[0] for clip in pair]
        n_frames = [len(spoken[0]), len(spoken[1])]
        for side in (0, 1):
            around = (n_frames[0] if side else 0, 0 if side else n_frames[1]) if takes_turns else (0, 4 * RATE_HZ)
            sides[side].append(np.pad(spoken[side], around)[: None if takes_turns else 6 * RATE_HZ])
    if not takes_turns:
        sides = [[np.pad(part, (0, 6 * RATE_HZ - len(part))) for part in side] for side in sides]
    left, right = (np.concatenate(side) for side in sides)
    soundfile.write(tmp_path / "call.wav", side_by_side(left, right), RATE_HZ)
    soundfile.write(tmp_path / "1.wav", left, RATE_HZ)
    soundfile.write(tmp_path / "2.wav", right, RATE_HZ)
    with thano_duckdb.connect(progress=False) as con:
        predict = f"PREDICT USING '{an4_model}' OPTIONS (channel='each') AS SELECT '{tmp_path}/call.wav' AS audio_path"
        rows = con.sql(f"SELECT channel, predicted FROM ({predict})").fetchall()
        sides_alone = f"SELECT i, '{tmp_path}/' || i || '.wav' AS audio_path FROM range(1, 3) AS t (i)"
        alone = f"PREDICT USING '{an4_model}' AS {sides_alone}"
        assert rows == con.sql(f"SELECT i, predicted FROM ({alone})").fetchall()
        mix = f"PREDICT USING '{an4_model}' AS SELECT '{tmp_path}/call.wav' AS audio_path"
        (sentence,) = thano_warnings(con.sql(mix).fetchall)
    assert "channel='each'" in sentence
