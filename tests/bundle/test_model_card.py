"""The card of the bundled model gives the error rates of the weights that ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle import measure_tiny_model
from bundle.make_tiny_model import connect
from tests.conftest import SHARED
from thano_duckdb.models import bundled

CORPORA = SHARED / "data"
ROWS = {
    "LibriSpeech, people": "librispeech",
    "an4 test": "an4",
    "kathleen_arctic, one": "kathleen_arctic",
    "LJ Speech, one": "ljspeech_part1",
    "the tutorial's test clips": "tutorial",
    "the prompts of Asterisk": "asterisk",
}
"""How a row of the card begins, and the set of measure_tiny_model.py."""


def card_rows() -> dict[str, list[float]]:
    """Clips, then WER and CER without and with the language model, by set."""
    lines = (bundled.MODEL_FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    found = {}
    for start, corpus in ROWS.items():
        (line,) = [line for line in lines if line.startswith(f"| {start}")]
        found[corpus] = [float(cell) for cell in line.strip("| ").split("|")[1:]]
    return found


@pytest.mark.skipif(not CORPORA.exists(), reason="the shared folder ../shared/data is not on this machine")
@pytest.mark.parametrize(("language_model", "first"), [pytest.param("NULL", 1, marks=pytest.mark.nightly), ("'en'", 3)])
def test_the_card_gives_the_error_rates_of_the_weights(tmp_path: Path, language_model: str, first: int) -> None:
    """On all sets that are on this machine; other processors round differently."""
    with connect(CORPORA, tmp_path) as con:
        measure_tiny_model.load_clips(con, tmp_path)
        con.execute("DELETE FROM clips WHERE corpus NOT IN (SELECT unnest(?))", [[*ROWS.values(), "silent"]])
        rows = measure_tiny_model.scores(con, str(bundled.MODEL_FOLDER), language_model)
    measured = {str(corpus): (n_clips, wer, cer) for corpus, n_clips, wer, cer, _, _ in rows}
    assert measured.pop("silent")[0] == measure_tiny_model.N_SILENT
    assert {"librispeech", "tutorial"} <= measured.keys()
    card = card_rows()
    for corpus, figures in measured.items():
        assert figures == pytest.approx([card[corpus][0], *card[corpus][first : first + 2]], abs=0.006), corpus
    (without_text,) = [row[-1] for row in rows if row[0] == "silent"]
    assert without_text == 1
