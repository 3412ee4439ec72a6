"""In SQL, the text of a clip depends only on that clip, not on the batch, the order or the threads.

The expected texts are those of Hugging Face's model for each clip alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jiwer
import pytest
import soundfile

import thano_duckdb
from tests.conftest import Utterance
from tests.speech.oracles import HuggingFace
from thano_duckdb.speech.cache import MemoryCache, NoCache

N_CLIPS = 40
N_ROWS = 4 * 2048  # four row groups of the smallest size that DuckDB writes to Parquet files


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every statement compute its transcripts."""
    monkeypatch.setattr(MemoryCache, "get_many", NoCache.get_many)


def test_predict_over_an4_gives_hugging_faces_texts_and_jiwers_rates(
    an4_con: thano_duckdb.Connection, an4_model: Path, an4_test: list[Utterance]
) -> None:
    an4_con.execute(f"CREATE TABLE transcripts AS PREDICT USING '{an4_model}' AS SELECT * FROM an4")
    texts = [row[0] for row in an4_con.sql("SELECT predicted FROM transcripts ORDER BY id").fetchall()]
    alone = HuggingFace.load(an4_model)
    assert texts == [alone.text(soundfile.read(clip.audio_path, dtype="float32")[0]) for clip in an4_test]

    references = [clip.text.lower() for clip in an4_test]
    hypotheses = [text.lower() for text in texts]
    ((wer, cer),) = an4_con.sql(
        "SELECT thano_wer(text, predicted), thano_cer(text, predicted) FROM transcripts"
    ).fetchall()
    assert (wer, cer) == (jiwer.wer(references, hypotheses), jiwer.cer(references, hypotheses))


@pytest.mark.parametrize("name", ["wav2vec2-group", "wav2vec2-layer"])
def test_batches_order_and_threads_do_not_change_the_texts(
    name: str,
    random_model: Callable[[str], Path],
    an4_con: thano_duckdb.Connection,
    an4_test: list[Utterance],
    tmp_path: Path,
) -> None:
    model, con = random_model(name), an4_con
    alone = HuggingFace.load(model)
    expected = [alone.text(soundfile.read(clip.audio_path, dtype="float32")[0]) for clip in an4_test[:N_CLIPS]]
    assert len(set(expected)) > N_CLIPS // 2  # the model writes a different text for most clips

    clips = f"SELECT id, audio_path FROM an4 WHERE id < {N_CLIPS}"
    for batch_size in ("1", "3", "64", "None"):
        for order in ("id", "hash(id)"):
            rows = con.sql(
                f"SELECT id, predicted FROM (PREDICT USING '{model}' OPTIONS (batch_size={batch_size}) AS"
                f" {clips} ORDER BY {order})"
            ).fetchall()
            assert [text for _, text in sorted(rows)] == expected, (batch_size, order)

    con.execute(
        f"COPY (SELECT i % {N_CLIPS} AS id, audio_path FROM range({N_ROWS}) t(i) JOIN an4 ON id = i % {N_CLIPS})"
        f" TO '{tmp_path}/clips.parquet' (ROW_GROUP_SIZE 2048)"
    )
    for n_threads in (1, 4):
        con.execute(f"SET threads = {n_threads}")
        rows = con.sql(
            f"SELECT DISTINCT id, predicted FROM (PREDICT USING '{model}' AS FROM '{tmp_path}/clips.parquet')"
        ).fetchall()
        assert [text for _, text in sorted(rows)] == expected, n_threads
