"""BUILD, FIT and EVALUATE as a user types them; how training works is tested under training/."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import duckdb
import jiwer
import numpy as np
import pytest
import soundfile
import transformers

import thano_duckdb
from tests.checkpoints import build
from tests.conftest import Utterance
from tests.speech.oracles import HuggingFace
from thano_duckdb import DialectError, ThanoError, ThanoWarning
from thano_duckdb.dialect.statements.transcription import GROUP_COLUMNS
from thano_duckdb.functions.evaluate import GROUP_SCORES
from thano_duckdb.models.registry import Registry
from thano_duckdb.training.training_options import Example

COLUMNS = [
    "model", "version", "epoch", "train_loss", "eval_loss", "wer", "cer", "learning_rate", "audio_hours", "skipped",
    "seconds", "base_wer", "base_cer", "kept",
]  # fmt: skip
COUNTS = ("substitutions", "deletions", "insertions", "words", "clips", "failed")
BUILD = "BUILD MODEL mine USING '{base}' OPTIONS (epochs=2, batch_size=4, validation_split=0.25) AS {query}"
QUERY = "SELECT audio_path, text FROM an4 WHERE id < 8"


def test_build_returns_one_row_per_epoch_and_registers_a_model_for_later_processes(
    an4_con: thano_duckdb.Connection, an4_model: Path, an4_test: list[Utterance], tmp_path: Path
) -> None:
    clips = an4_con.sql(QUERY).df()  # noqa: F841 - DuckDB finds it by its name
    statement = BUILD.format(base=an4_model, query="SELECT * FROM clips")
    with thano_duckdb.connect(tmp_path / "my.duckdb") as con:
        epochs = con.sql(statement)
        assert epochs.columns == COLUMNS
        rows = epochs.fetchall()
        assert [row[:3] for row in rows] == [("mine", 1, 1), ("mine", 1, 2)]
        assert epochs.fetchall() == rows  # read twice, built once
        assert con.sql("FROM thano_training('mine')").fetchall() == rows
        ((lineage,),) = con.sql("SELECT kind FROM (LIST MODEL)").fetchall()
        assert lineage == "built"
        with pytest.raises(ThanoError, match="overwrite"):
            con.execute(statement)
    with thano_duckdb.connect(tmp_path / "my.duckdb") as later:
        ((_, text),) = later.sql(f"PREDICT USING mine AS SELECT '{an4_test[9].audio_path}' AS audio_path").fetchall()
        ((folder,),) = later.sql("SELECT path FROM (LIST MODEL)").fetchall()
    samples, _ = soundfile.read(an4_test[9].audio_path, dtype="float32")
    assert HuggingFace.load(Path(folder)).text(samples) == text
    assert isinstance(transformers.Wav2Vec2ForCTC.from_pretrained(folder), transformers.Wav2Vec2ForCTC)


def test_what_a_lineage_says_of_other_models_is_ignored(tmp_path: Path) -> None:
    lineage = {"metrics": [{"epoch": 1, "model": "other", "version": 9, "kept": False}], "kept_epoch": 1}
    build(Registry(tmp_path), "m", 1, lineage=lineage)
    with thano_duckdb.connect(model_home=tmp_path) as con:
        assert con.sql("SELECT model, version, epoch, kept FROM thano_training('m')").fetchall() == [("m", 1, 1, True)]


def test_a_damaged_lineage_hides_no_other_model(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    build(registry, "m", 1)
    damaged = build(registry, "n", 1).path / "thano.json"
    damaged.write_text(damaged.read_text().replace('"Wav2Vec2En"', '{"a": 1}'))
    with thano_duckdb.connect(model_home=tmp_path) as con:
        with pytest.warns(thano_duckdb.ThanoWarning, match="'n@1' is damaged"):
            assert con.sql("SELECT name FROM (LIST MODEL) WHERE kind = 'built'").fetchall() == [("m",)]
        with pytest.raises(ThanoError, match="'n@1' is damaged"):
            con.sql("FROM thano_training('n')").fetchall()
        assert con.sql("DELETE MODEL n").fetchall()[0][:2] == ("n", 1)


def test_fit_continues_from_a_built_model(an4_con: thano_duckdb.Connection, an4_model: Path, tmp_path: Path) -> None:
    rows = an4_con.sql(QUERY).df()  # noqa: F841 - DuckDB finds it by its name
    with thano_duckdb.connect(model_home=tmp_path) as con:
        con.execute(f"BUILD MODEL first USING '{an4_model}' OPTIONS (epochs=1) AS SELECT * FROM rows")
        con.execute("FIT MODEL second USING first OPTIONS (epochs=1) AS SELECT * FROM rows")
        assert con.sql("SELECT name, base FROM (LIST MODEL) ORDER BY name").fetchall() == [
            ("first", str(an4_model)),
            ("second", "first@1"),
        ]


@pytest.mark.parametrize(
    ("options", "query", "phrase"),
    [
        ("text_col='txt'", "FROM an4", "Did you mean 'text'"),
        ("epochs=0", "FROM an4", "from 1 to 2147483647, not 0"),
        ("epochs=1", "FROM an4 WHERE false", "no row"),
        ("epochs=1", "SELECT 'lost.wav' AS audio_path, 'a' AS text", "cannot be used"),
    ],
)
def test_a_wrong_build_is_refused_before_training_starts(
    an4_con: thano_duckdb.Connection, an4_model: Path, options: str, query: str, phrase: str
) -> None:
    with pytest.raises(ThanoError, match=phrase):
        an4_con.execute(f"BUILD MODEL never USING '{an4_model}' OPTIONS ({options}) AS {query}")
    assert "never" not in [row[0] for row in an4_con.sql("LIST MODEL").fetchall()]


def test_an_unknown_base_model_is_reported_with_its_position(an4_con: thano_duckdb.Connection) -> None:
    with pytest.raises(DialectError, match="Did you mean 'Wav2Vec2En'") as caught:
        an4_con.execute("BUILD MODEL m USING Wav2Vec2Em AS FROM an4")
    assert (caught.value.line, caught.value.column) == (1, 21)


@pytest.mark.parametrize(
    ("options", "phrase"),
    [
        ("patience=2", "option 'patience' compares the epochs on rows that are held out: add a validation_split"),
        ("keep='best'", "option 'keep' compares the epochs on rows that are held out: add a validation_split"),
        ("split_by='speaker'", "option 'split_by' says which rows are held out together: add a validation_split"),
        ("split_by='speakr', validation_split=0.5", "Did you mean 'speaker'"),
        ("split_by='an4', validation_split=0.5", "all 8 usable rows have the same value of split_by, or share a"),
        ("patience=0, validation_split=0.5", "The option 'patience' must be a whole number from 1 to"),
        ("keep='first', validation_split=0.5", "The option 'keep' must be one of 'best', 'last', not 'first'"),
    ],
)
def test_options_of_validation_that_cannot_be_met_are_one_sentence(
    an4_con: thano_duckdb.Connection, an4_model: Path, options: str, phrase: str
) -> None:
    query = "SELECT audio_path, text, speaker, NULL AS an4 FROM an4 WHERE id < 8"
    with pytest.raises(ThanoError, match=phrase) as refusal:
        an4_con.execute(f"BUILD MODEL never USING '{an4_model}' OPTIONS ({options}) AS {query}")
    assert len(str(refusal.value).splitlines()[0]) < 400


@pytest.mark.parametrize(
    "who", ["id % 3", "[id % 3, NULL]", "{'is': id % 3}", "(id % 3)::VARCHAR::BLOB", "DATE '2026-01-01' + id % 3"]
)
def test_split_by_takes_a_column_of_any_type_and_null_is_a_value(
    an4_con: thano_duckdb.Connection, an4_model: Path, who: str
) -> None:
    query = f"SELECT audio_path, text, CASE WHEN id % 3 > 0 THEN {who} END AS who FROM an4 WHERE id < 6"
    with pytest.warns(ThanoWarning, match="^2 of 6 rows are held out, not 1 as validation_split=0.1 asks for"):
        an4_con.execute(
            f"BUILD MODEL mine USING '{an4_model}' "
            f"OPTIONS (epochs=1, validation_split=.1, split_by=who, overwrite=True) AS {query}"
        )


# EVALUATE


def test_the_dialect_knows_the_columns_of_a_group() -> None:
    assert [field.name for field in GROUP_SCORES] == [*GROUP_COLUMNS]


def test_evaluate_agrees_with_jiwer_over_predict(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    found = an4_con.sql(f"EVALUATE USING '{an4_model}' AS SELECT * FROM an4")
    assert found.columns == ["metric", "score"]
    scores = dict(found.fetchall())
    pairs = an4_con.sql(f"SELECT text, predicted FROM (PREDICT USING '{an4_model}' AS FROM an4)").fetchall()
    references, hypotheses = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    words = jiwer.process_words(references, hypotheses)
    assert scores["wer"] == words.wer
    assert scores["cer"] == jiwer.cer(references, hypotheses)
    assert (scores["clips"], scores["failed"]) == (130, 0)
    assert scores["words"] == words.hits + words.substitutions + words.deletions
    assert scores["audio_hours"] == pytest.approx(
        sum(soundfile.info(row[0]).duration for row in an4_con.sql("SELECT audio_path FROM an4").fetchall()) / 3600
    )


def test_evaluate_by_a_column_gives_a_row_for_each_group(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    found = an4_con.sql(f"EVALUATE USING '{an4_model}' OPTIONS (by='speaker') AS FROM an4")
    assert found.columns == [
        "speaker", "wer", "wer_low", "wer_high", "cer", "ser", "substitutions", "deletions", "insertions", "words",
        "clips", "failed", "audio_hours",
    ]  # fmt: skip
    assert {str(kind) for name, kind in zip(found.columns, found.types, strict=True) if name in COUNTS} == {"BIGINT"}
    rows = found.df()
    assert list(rows["speaker"]) == sorted(rows["speaker"])
    assert len(rows) == 10
    assert (rows["wer_low"] <= rows["wer"]).all()
    assert (rows["wer"] <= rows["wer_high"]).all()
    by_macro = an4_con.sql(
        f"SELECT speaker, thano_wer(text, predicted) FROM (PREDICT USING '{an4_model}' AS FROM an4) GROUP BY speaker"
    )
    assert dict(zip(rows["speaker"], rows["wer"], strict=True)) == dict(by_macro.fetchall())


def test_evaluate_by_two_columns(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    rows = 'SELECT *, id % 2 = 0 AS "is even" FROM an4 WHERE id < 20'
    found = an4_con.sql(f"EVALUATE USING '{an4_model}' OPTIONS (by=['speaker', 'is even']) AS {rows}")
    assert found.columns[:3] == ["speaker", "is even", "wer"]
    groups = an4_con.sql(f'SELECT speaker, "is even", count(*) FROM ({rows}) GROUP BY ALL ORDER BY ALL').fetchall()
    assert an4_con.sql('SELECT speaker, "is even", clips FROM found').fetchall() == groups
    with pytest.raises(DialectError, match="Did you mean 'speaker'"):
        an4_con.sql(f"EVALUATE USING '{an4_model}' OPTIONS (by=['text', 'speakr']) AS FROM an4")


@pytest.mark.parametrize("name", ["wer", "clips", "thano_scores", "_thano_scores", "_THANO_SCORES", "_thano_rows"])
def test_the_column_of_groups_may_have_any_name(an4_con: thano_duckdb.Connection, an4_model: Path, name: str) -> None:
    rows = f"SELECT audio_path, text, id % 2 AS {name} FROM an4 WHERE id < 4"
    with warnings.catch_warnings(record=True, action="always") as caught:
        found = an4_con.sql(f"EVALUATE USING '{an4_model}' OPTIONS (by='{name}') AS {rows}").fetchall()
    expected = [f"EVALUATE gives '{name}' twice: the column of by, then the metric"] if name in GROUP_COLUMNS else []
    assert [str(warning.message).partition(" (")[0] for warning in caught] == expected
    assert [row[0] for row in found] == [0, 1]


def test_the_speed_is_of_what_was_computed_in_this_statement(
    an4_con: thano_duckdb.Connection, an4_model: Path, tmp_path: Path
) -> None:
    clip = np.random.default_rng(int(time.time())).uniform(-0.1, 0.1, 16_000)
    soundfile.write(tmp_path / "new.wav", clip, 16_000)
    one = f"SELECT '{tmp_path / 'new.wav'}' AS audio_path, 'hello' AS text"
    evaluate = f"EVALUATE USING '{an4_model}' AS"
    assert dict(an4_con.execute(f"{evaluate} {one} UNION ALL {one}").fetchall())["speed"] > 0
    assert dict(an4_con.execute(f"{evaluate} {one}").fetchall())["speed"] is None
    an4_con.execute(f"{evaluate} FROM an4 LIMIT 50").fetchall()
    soundfile.write(tmp_path / "new.wav", clip[:8_000], 16_000)
    began_s = time.monotonic()
    speed = dict(an4_con.execute(f"{evaluate} {one} UNION ALL (SELECT audio_path, text FROM an4 LIMIT 50)").fetchall())
    assert speed["speed"] * (time.monotonic() - began_s) == pytest.approx(0.5, rel=0.9)


def test_the_warning_of_failed_clips_advises_what_the_statement_takes(
    an4_con: thano_duckdb.Connection, an4_model: Path
) -> None:
    with pytest.warns(ThanoWarning, match=r"PREDICT with OPTIONS \(include='error'\) shows each reason"):
        an4_con.execute(f"EVALUATE USING '{an4_model}' AS SELECT 'lost.wav' AS audio_path, 'a' AS text").fetchall()
    transcribe = f"SELECT thano_transcribe('{an4_model}', 'lost.wav').text"
    of_function = r"\. thano_transcribe\(\.\.\)\.error shows each reason"
    with pytest.warns(ThanoWarning, match=of_function):
        an4_con.execute(transcribe).fetchall()
    plain = thano_duckdb.load(duckdb.connect())
    with pytest.warns(ThanoWarning, match=of_function):
        plain.execute(transcribe).fetchall()
    with pytest.warns(ThanoWarning, match=r"PREDICT with OPTIONS \(include='error'\), or thano_transcribe"):
        an4_con.sql(f"PREDICT USING '{an4_model}' AS SELECT 'lost.wav' AS audio_path").limit(1).fetchall()


def test_thano_evaluate_gives_the_same_as_evaluate(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    by_statement = dict(an4_con.sql(f"EVALUATE USING '{an4_model}' AS FROM an4").fetchall())
    by_macro = dict(an4_con.sql(f"FROM thano_evaluate('{an4_model}', 'an4')").fetchall())
    assert by_macro.pop("speed") is None  # from the cache
    del by_statement["speed"]
    assert by_macro == by_statement


@pytest.mark.parametrize("by", ["", "OPTIONS (by='speaker')"])
def test_evaluate_names_what_the_model_cannot_write_of_the_references(
    an4_con: thano_duckdb.Connection, an4_model: Path, by: str
) -> None:
    texts = ["ROOM 25", "caf\u00e9 5, ok?", "it's fine"]
    query = "SELECT audio_path, unnest(?) AS text, unnest(range(3)) AS speaker FROM an4 WHERE id = 1"
    an4_con.execute(f"CREATE TABLE clips AS {query}", [texts])
    message = (
        r"^2 references hold characters that the model's alphabet lacks, so that they count as errors: "
        r"'5' \(2\), '2' \(1\), '\u00e9' \(1\)\.$"
    )
    with pytest.warns(ThanoWarning, match=message) as caught:
        an4_con.sql(f"EVALUATE USING '{an4_model}' {by} AS FROM clips").fetchall()
    assert len(caught) == 1


@pytest.mark.parametrize("by", [False, True])
def test_evaluate_compares_as_its_options_say(an4_con: thano_duckdb.Connection, an4_model: Path, by: bool) -> None:
    ((text,),) = an4_con.sql(f"SELECT predicted FROM (PREDICT USING '{an4_model}' AS FROM an4 WHERE id = 1)").fetchall()
    warnings.filterwarnings("ignore", message="1 reference holds characters that the model's alphabet lacks")
    reference = f"\u4eca\u5929 {text}"
    an4_con.execute(
        "CREATE TABLE clips AS SELECT audio_path, ? AS text, 1 AS speaker FROM an4 WHERE id = 1", [reference]
    )

    def metrics(options: str, *, macro: str) -> dict[str, float]:
        if not by:
            statement = f"EVALUATE USING '{an4_model}' OPTIONS ({options}) AS FROM clips"
            found = dict(an4_con.sql(statement).fetchall())
            assert (
                dict(an4_con.sql(f"FROM thano_evaluate('{an4_model}', 'clips', options := {macro})").fetchall())
                | {"speed": found["speed"]}
                == found
            )
            return found
        relation = an4_con.sql(f"EVALUATE USING '{an4_model}' OPTIONS ({options}, by='speaker') AS FROM clips")
        return dict(zip(relation.columns, relation.fetchall()[0], strict=True))

    n_words = len(text.split())
    mixed = metrics("ignore_spaces=False", macro="{'ignore_spaces': false}")
    assert (mixed["words"], mixed["deletions"]) == (n_words + 2, 2)
    word = metrics("unit='word', ignore_spaces=True", macro="""'{"unit": "word", "ignore_spaces": true}'""")
    assert (word["words"], word["deletions"]) == (n_words + 1, 1)
    n_letters = len(text.replace(" ", ""))
    assert mixed["cer"] == 3 / (len(text) + 3)
    assert word["cer"] == 2 / (n_letters + 2)
    assert metrics("locale='tr'", macro="""'{"locale": "tr"}'""")["wer"] >= mixed["wer"]


def test_failed_clips_are_counted_and_do_not_affect_the_rates(
    an4_con: thano_duckdb.Connection, an4_model: Path
) -> None:
    rows = "SELECT audio_path, text FROM an4 WHERE id < 5"
    expected = dict(an4_con.sql(f"EVALUATE USING '{an4_model}' AS {rows}").fetchall())
    with pytest.warns(ThanoWarning, match="1 clip"):
        found = dict(
            an4_con.sql(f"EVALUATE USING '{an4_model}' AS {rows} UNION ALL SELECT 'lost.wav', 'hello'").fetchall()
        )
    assert found["failed"] == 1
    assert (found["wer"], found["clips"]) == (expected["wer"], 5)


@pytest.mark.parametrize(("options", "phrase"), [("text_col='txt'", "'text'"), ("by='speakr'", "'speaker'")])
def test_a_misspelt_column_of_evaluate_is_reported(
    an4_con: thano_duckdb.Connection, an4_model: Path, options: str, phrase: str
) -> None:
    with pytest.raises(DialectError, match=f"Did you mean {phrase}"):
        an4_con.sql(f"EVALUATE USING '{an4_model}' OPTIONS ({options}) AS FROM an4")


@pytest.mark.parametrize("only_loaded", [False, True])
@pytest.mark.parametrize("by", ["", ", by='g'"])
def test_evaluate_counts_rows_without_a_reference_or_audio_in_one_warning_each(
    con: thano_duckdb.Connection, small_model: Path, clips: list[Example], only_loaded: bool, by: str
) -> None:
    used = thano_duckdb.load(duckdb.connect()) if only_loaded else con
    clip = str(clips[0].audio)
    rows = f"(1, '{clip}', 'a'), (1, '{clip}', NULL), (2, '{clip}', NULL), (2, NULL, 'a'), (2, NULL, NULL)"
    used.execute(f"CREATE TABLE mixed AS FROM (VALUES {rows}) AS v(g, audio_path, text)")
    if only_loaded:
        query = f"SELECT * FROM thano_evaluate('{small_model}', 'mixed')"
    else:
        query = f"EVALUATE USING '{small_model}' OPTIONS (device='cpu'{by}) AS FROM mixed"
    with warnings.catch_warnings(record=True, action="always") as caught:
        used.execute(query).fetchall()
    assert [str(warning.message) for warning in caught] == [
        "3 rows have no reference text (NULL) and did not count.",
        "1 row has no audio (NULL) and counted as failed.",
    ]
    used.execute("DELETE FROM mixed WHERE text IS NULL OR audio_path IS NULL")
    with warnings.catch_warnings(action="error"):
        used.execute(query).fetchall()


@pytest.mark.parametrize(
    "query",
    [
        "EVALUATE USING '{model}' AS FROM none",
        "CREATE TABLE rates AS EVALUATE USING '{model}' AS FROM none",
        "EVALUATE USING '{model}' AS SELECT * FROM (VALUES ('a.wav', 'a')) AS v(audio_path, text) WHERE text = 'b'",
        "SELECT * FROM thano_evaluate('{model}', 'none')",
        "(EVALUATE USING '{model}' AS FROM none) UNION ALL (EVALUATE USING '{model}' AS FROM none)",
    ],
)
def test_evaluate_warns_once_that_there_are_no_rows(
    con: thano_duckdb.Connection, small_model: Path, query: str
) -> None:
    con.execute("CREATE TABLE none (audio_path VARCHAR, text VARCHAR)")
    with warnings.catch_warnings(record=True, action="always") as caught:
        rows = con.execute(query.format(model=small_model)).fetchall()
    assert [str(warning.message) for warning in caught] == ["There are no rows to evaluate: all rates are NULL."]
    if len(rows) > 1:
        assert rows[0] == ("wer", None)


def test_without_rows_there_are_no_groups_to_warn_of(con: thano_duckdb.Connection, small_model: Path) -> None:
    con.execute("CREATE TABLE none (audio_path VARCHAR, text VARCHAR, g INTEGER)")
    assert con.execute(f"EVALUATE USING '{small_model}' OPTIONS (by='g') AS FROM none").fetchall() == []
    assert con.execute(f"PREDICT USING '{small_model}' AS FROM none").fetchall() == []


def test_a_plain_connection_warns_of_no_rows_too(small_model: Path) -> None:
    with duckdb.connect() as raw:
        thano_duckdb.load(raw)
        with pytest.warns(thano_duckdb.ThanoWarning, match="There are no rows to evaluate"):
            raw.execute("SELECT thano_scores('a', {text: 'a', duration: 1.0, error: NULL}) WHERE false").fetchall()
