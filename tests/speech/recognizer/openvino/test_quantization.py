"""The process that quantises a network ends with the one that waits for it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from thano_duckdb.speech.recognizer.openvino import quantization

NNCF = """
import os, time
with open('{file}.new', 'w') as file:
    file.write(str(os.getpid()))
os.rename('{file}.new', '{file}')
time.sleep(60)
"""
QUANTIZES = """
import sys
from pathlib import Path
sys.path.insert(0, '{folder}')
from {module} import quantize
quantize(Path('network.xml'), [], Path('quantized.xml'))
"""


def wait_until(is_so: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="it is not known here whether a process runs")
def test_it_ends_when_the_other_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "process"
    (tmp_path / "nncf.py").write_text(NNCF.format(file=file), encoding="utf-8")
    script = QUANTIZES.format(folder=tmp_path, module=quantization.__name__)
    with subprocess.Popen([sys.executable, "-c", script], env=os.environ | {"TMPDIR": str(tmp_path)}) as waits:
        wait_until(file.is_file)
        waits.kill()
    runs = Path("/proc") / file.read_text(encoding="utf-8") / "cmdline"
    wait_until(lambda: not runs.exists() or not runs.read_bytes())  # empty: nobody has asked for its exit status
