"""Human speech from Debian packages, transcribed in SQL; skipped where the packages are not installed."""

from __future__ import annotations

from pathlib import Path

import pytest

import thano_duckdb
from tests.conftest import REPOSITORY
from thano_duckdb.dialect import split_statements

PROMPTS = Path("/usr/share/asterisk/sounds/en")
PROMPT_TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
POCKETSPHINX = Path("/usr/share/pocketsphinx/test/data")


@pytest.mark.skipif(
    not (PROMPTS / "agent-user.wav").exists() or not PROMPT_TEXTS.exists(),
    reason="the packages asterisk-core-sounds-en-wav and asterisk-core-sounds-en are not installed",
)
def test_asterisk_prompts_give_the_error_rates_of_the_card(con: thano_duckdb.Connection, any_small_model: Path) -> None:
    example = (REPOSITORY / "sql" / "asterisk_prompts.sql").read_text(encoding="utf-8")
    *_, by_folder, by_length = [con.sql(statement) for statement in split_statements(example)]
    texts = dict(con.sql("SELECT prompt, text FROM prompts").fetchall())
    assert len(texts) == 563
    assert "ascending-2tone" not in texts
    assert texts["silence/1"] == ""
    assert texts["agent-user"] == "Agent login.  Please enter your agent number followed by the pound key."
    assert texts["letters/at"] == "at"
    assert texts["dictate/forhelp"].split() == ["press", "zero", "for", "help"]
    assert not any(character in text for text in texts.values() for character in "0123456789[]()<>*#")

    assert con.sql("SELECT count(*), count(predicted), count(error) FROM transcripts").fetchall() == [(563, 563, 0)]
    groups = {folder: (n_prompts, n_words, wer) for folder, n_prompts, n_words, wer, _ in by_folder.fetchall()}
    assert {folder: group[0] for folder, group in groups.items()} == {
        "dictate": 12, "digits": 94, "followme": 6, "letters": 61, "phonetic": 27, "sentences": 353, "silence": 10,
    }  # fmt: skip
    assert groups["silence"][1:] == (0, None)
    clips = {length: n_clips for length, n_clips, *_ in by_length.fetchall()}
    assert clips.keys() == {"up to 1.5 s", "up to 5 s", "longer"}
    assert sum(clips.values()) == 563
    card = any_small_model / "README.md"
    if card.exists():  # random weights have none
        (row,) = [line for line in card.read_text(encoding="utf-8").splitlines() if line.startswith("| the prompts")]
        wer, cer = map(float, row.strip(" |").split("|")[-2:])
        found = con.sql("SELECT thano_wer(text, predicted), thano_cer(text, predicted) FROM transcripts").fetchall()
        assert found == [pytest.approx((wer, cer), abs=0.01)]


@pytest.mark.skipif(
    not (POCKETSPHINX / "librivox" / "transcription").exists(),
    reason="the package pocketsphinx-testdata is not installed",
)
@pytest.mark.parametrize(("corpus", "file", "n_words"), [("librivox", "transcription", 71), ("cards", "", 21)])
def test_pocketsphinx_recordings_are_evaluated(
    con: thano_duckdb.Connection, any_small_model: Path, corpus: str, file: str, n_words: int
) -> None:
    folder = POCKETSPHINX / corpus
    con.execute(
        f"""
        CREATE TABLE clips AS
        SELECT '{folder}/' || regexp_extract(line, '\\((.*)\\)', 1) || '.wav' AS audio_path,
               trim(regexp_extract(line, '<s>(.*)</s>', 1)) AS text
        FROM (
            SELECT unnest(string_split(content, chr(10))) AS line
            FROM read_text('{folder / (file or f"{corpus}.transcription")}')
        )
        WHERE line <> ''
        """
    )
    scores = dict(con.sql("EVALUATE USING Wav2Vec2TinyEn AS SELECT * FROM clips").fetchall())
    assert (scores["clips"], scores["failed"], scores["words"]) == (5, 0, n_words)
