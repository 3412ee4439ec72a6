"""From a table of recordings in any language to a model, by SQL alone."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import pytest

import thano_duckdb
from tests.conftest import REPOSITORY
from tests.training.encoders import TEXTS, write_encoder, write_spoken
from thano_duckdb import ThanoError, ThanoWarning
from thano_duckdb.dialect import split_statements

KOREAN = TEXTS["Korean"]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with `recordings`, forty clips of five speakers, and `encoder`."""
    rows = write_spoken(tmp_path / "recordings", KOREAN * 5)
    with (tmp_path / "recordings" / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        manifest = csv.writer(file)
        manifest.writerow(["audio_path", "text", "speaker"])
        manifest.writerows([Path(str(row.audio)).name, row.text, f"speaker {n // 8}"] for n, row in enumerate(rows))
    write_encoder(tmp_path / "encoder")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_worked_example_runs_offline(workspace: Path) -> None:
    script = (REPOSITORY / "sql" / "any_language.sql").read_text(encoding="utf-8")
    with (
        thano_duckdb.connect(model_home=workspace / "models") as con,
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("always", ThanoWarning)
        relations = map(con.sql, split_statements(script))
        results = [relation.fetchall() for relation in relations if relation is not None]
    assert str(warned[0].message).startswith("the new alphabet has 36 characters and the space: 가 간 고 교 ")
    *_, epochs, by_speaker, transcripts = results
    assert epochs[-1][0] > 10
    assert [row[0] for row in by_speaker] == [f"speaker {n}" for n in range(5)]
    assert len(transcripts) == 5


@pytest.mark.parametrize("alphabet", ["characters", "jamo"])
def test_a_model_of_a_new_alphabet_is_evaluated_and_transcribes(workspace: Path, alphabet: str) -> None:
    with thano_duckdb.connect(model_home=workspace / "models") as con:
        con.execute("CREATE TABLE clips AS SELECT 'recordings/' || audio_path AS audio_path, text FROM "
                    "'recordings/manifest.csv' LIMIT 8")  # fmt: skip
        options = f"alphabet='{alphabet}', learning_rate=3e-3, batch_size=4, mask_time_prob=0"
        with pytest.warns(ThanoWarning, match="the new alphabet has"):
            con.execute(f"BUILD MODEL ko USING './encoder' OPTIONS ({options}) AS FROM clips")
        scores = dict(con.sql("EVALUATE USING ko AS FROM clips").fetchall())
        assert (scores["wer"], scores["cer"]) == (0, 0)
        assert con.sql("SELECT predicted FROM (PREDICT USING ko AS FROM clips)").fetchall() == [
            (text,) for text in KOREAN
        ]
        ((words,),) = con.sql(
            "SELECT list_transform(words, lambda each: each.word) FROM (PREDICT USING ko OPTIONS (include='words') AS "
            "FROM clips) WHERE text = '물 한 잔'"
        ).fetchall()
        assert words == ["물", "한", "잔"]
        hotwords = "hotwords=['날씨가'], include=['hotwords', 'alternatives']"
        ((predicted, found, alternatives),) = con.sql(
            f"SELECT predicted, hotwords, alternatives FROM (PREDICT USING ko OPTIONS ({hotwords}) AS FROM clips) "
            "WHERE text = '오늘 날씨가 좋다'"
        ).fetchall()
        assert predicted == alternatives[0]["text"] == "오늘 날씨가 좋다"
        assert found[0]["start"] is not None


def test_an_encoder_is_refused_where_text_is_wanted(workspace: Path) -> None:
    with thano_duckdb.connect(model_home=workspace / "models") as con:
        with pytest.raises(ThanoError, match="pretrained encoder, which cannot write text yet: BUILD MODEL"):
            con.sql("PREDICT USING './encoder' AS SELECT 'recordings/0.wav' AS audio_path").fetchall()
        with pytest.raises(ThanoError, match="no vocabulary that new_alphabet=False could keep"):
            con.execute("BUILD MODEL ko USING './encoder' OPTIONS (new_alphabet=False) AS "
                        "SELECT 'recordings/0.wav' AS audio_path, '안녕' AS text")  # fmt: skip
        with pytest.raises(ThanoError, match="The option 'alphabet' lists no token"):
            con.execute("BUILD MODEL ko USING './encoder' OPTIONS (alphabet=[]) AS "
                        "SELECT 'recordings/0.wav' AS audio_path, '안녕' AS text")  # fmt: skip
