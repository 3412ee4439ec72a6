"""In SQL, models that read log-mel features are used like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import thano_duckdb
from tests.speech.log_mel_models import HuggingFaceLogMel, write_log_mel_model


@pytest.mark.parametrize("name", ["wav2vec2-bert-adapter", "parakeet"])
def test_a_log_mel_model_is_uploaded_and_predicts_what_hugging_face_does(tmp_path: Path, name: str) -> None:
    folder = write_log_mel_model(tmp_path / "source", name)
    random = np.random.default_rng(3)
    con = thano_duckdb.connect()
    con.execute("CREATE TABLE clips (id INT, audio_path VARCHAR, text VARCHAR)")
    for number, n_samples in enumerate((8_000, 20_161, 40_320)):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, 0.1 * random.standard_normal(n_samples), 16_000, subtype="FLOAT")
        con.execute("INSERT INTO clips VALUES (?, ?, 'A CAT')", [number, str(path)])
    plain = HuggingFaceLogMel(folder)
    paths = con.sql("SELECT audio_path FROM clips ORDER BY id").fetchall()
    expected = [plain.text(np.asarray(soundfile.read(path, dtype="float32")[0])) for (path,) in paths]

    con.execute(f"UPLOAD MODEL mine OPTIONS (overwrite=True) FROM '{folder}'")
    query = "PREDICT USING mine OPTIONS (level='exact') AS SELECT * FROM clips"
    found = con.sql(f"SELECT predicted FROM ({query}) ORDER BY id").fetchall()
    assert [text for (text,) in found] == expected
    assert con.sql("EVALUATE USING mine AS SELECT * FROM clips").fetchall()
    with pytest.raises(thano_duckdb.ThanoError, match="which PREDICT can use but BUILD cannot train"):
        con.execute("BUILD MODEL other USING mine AS SELECT * FROM clips")
