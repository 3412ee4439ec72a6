"""A language model that another program writes over does not end the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from thano_duckdb.errors import ModelError
from thano_duckdb.language import private_copy
from thano_duckdb.language.language_model import LanguageModel
from thano_duckdb.speech.decoding import beam_library
from thano_duckdb.speech.decoding.beam import BeamDecoder

from .beam_oracle import SMALL, Bigrams

pytestmark = pytest.mark.skipif(bool(beam_library.problem()), reason=str(beam_library.problem()))

TINY_BINARY = Path(__file__).parents[2] / "language" / "tiny.kenlm"
TRUNCATING = """
import os, sys
from pathlib import Path
import numpy as np
from tests.speech.decoding.beam_oracle import LETTERS, STRIDE, frame_scores, written
from thano_duckdb.language.language_model import LanguageModel
from thano_duckdb.speech.decoding.beam import BeamDecoder
path = Path(sys.argv[1])
decoder = BeamDecoder(LanguageModel.open("m", path))
decoder.load(LETTERS)
os.truncate(path, 0)
print(decoder.decode([frame_scores(written("TTHHE||CCAATT"))], LETTERS, stride=STRIDE)[0].text)
"""


def test_a_binary_that_is_truncated_while_it_is_used_still_serves(tmp_path: Path) -> None:
    path = tmp_path / "model.kenlm"
    path.write_bytes(TINY_BINARY.read_bytes())
    done = subprocess.run([sys.executable, "-c", TRUNCATING, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "THE CAT\n"), done.stderr


def test_no_copy_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    binary = tmp_path / "model.kenlm"
    binary.write_bytes(TINY_BINARY.read_bytes())
    arpa = Bigrams(("a", "copy"), np.random.default_rng(3), lm_weight=1, word_score=1).open(tmp_path / "copy.arpa")
    for model in (LanguageModel.open("m", binary), arpa):
        BeamDecoder(model, lm_weight=0.123).load(SMALL)
        beam_library.native_decoder.cache_clear()
        assert list((tmp_path / "temporary").iterdir()) == []


def test_a_file_of_the_registry_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    model = LanguageModel.open("m", TINY_BINARY, is_kept=True)
    with private_copy.private_file(model) as (path, _folder):
        assert path == TINY_BINARY


def test_a_file_that_changes_before_it_is_loaded_is_refused(tmp_path: Path) -> None:
    model = Bigrams(("a", "old"), np.random.default_rng(4), lm_weight=1, word_score=1).open(tmp_path / "m.arpa")
    model.path.write_text("\\data\\\n")
    with pytest.raises(ModelError, match=r"m\.arpa was changed while it was loaded"), private_copy.private_file(model):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits of this kind")
def test_without_space_for_the_copy_the_refusal_names_the_folder(tmp_path: Path) -> None:
    import resource
    import signal

    model = LanguageModel.open("m", TINY_BINARY)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(
            ModelError, match=r"cannot be copied to .*thano-language-model.*: File too large; set TMPDIR"
        ):
            BeamDecoder(model, lm_weight=0.124).load(SMALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
