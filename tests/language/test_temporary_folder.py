"""Temporary folders go with the process that made them, at the latest when the next one is made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from thano_duckdb.errors import ThanoError
from thano_duckdb.language.temporary_folder import TemporaryFolder

KILLED = """
import os, signal
from thano_duckdb.language.temporary_folder import TemporaryFolder
folder = TemporaryFolder("test")
(folder.path / "large").write_text("data")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_a_killed_process_left_is_removed_and_what_is_in_use_stays(temporary: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED], env=os.environ | {"TMPDIR": str(temporary)}, check=False)
    (left,) = temporary.iterdir()
    other = temporary / "thano-other-kind"
    other.mkdir()
    with TemporaryFolder("test") as used, TemporaryFolder("test") as second:
        assert sorted(temporary.iterdir()) == sorted([other, used.path, second.path])
    assert not left.exists()
    assert list(temporary.iterdir()) == [other]


def test_a_folder_without_a_lock_stays_for_a_day(temporary: Path) -> None:
    being_made, stale = temporary / "thano-test-a", temporary / "thano-test-b"
    being_made.mkdir()
    stale.mkdir()
    os.utime(stale, (0, 0))
    TemporaryFolder("test").close()
    assert list(temporary.iterdir()) == [being_made]


def test_without_a_folder_for_temporary_files_the_refusal_says_so(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(temporary / "gone"))
    with pytest.raises(ThanoError, match=r"no temporary folder can be made: .*; set TMPDIR"):
        TemporaryFolder("test")
