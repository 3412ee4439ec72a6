"""Runs the tests of duckdb-python on our connections, and shows which of them pass only on DuckDB's own.

`python -m tests.foreign.run_duckdb_tests path/to/duckdb-python/tests/fast [pytest arguments]` runs them three times:

- `baseline`: as they are;
- `connect`: `duckdb.connect` is `thano_duckdb.connect`;
- `load`: `duckdb.connect` gives a plain connection after `thano_duckdb.load`.

`duckdb_expected.txt` lists the regressions that are known, with the reason for each: a comment, then lines of a mode
and a test. A test without its parameters means all of them.
"""

from __future__ import annotations

import ast
import collections
import os
import subprocess
import sys
import tempfile
from pathlib import Path

MODES = ("baseline", "connect", "load")
FOLDER = Path(__file__).parent
REPOSITORY = FOLDER.parent.parent
EXPECTED = FOLDER / "duckdb_expected.txt"
TEST_TIMEOUT_S = 60
RUN_TIMEOUT_S = 1800

Outcomes = dict[str, str]
"""How each test ended: 'passed', 'failed', 'skipped', or 'running' if it crashed or took too long."""


def run(mode: str, tests: Path, pytest_arguments: list[str]) -> Outcomes:
    """Run the tests once; after a crash the rest is run in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        recorded = Path(folder) / "outcomes"
        recorded.touch()
        environment = {
            **os.environ,
            "FOREIGN_MODE": mode,
            "FOREIGN_OUTCOMES": str(recorded),
            "THANO_HOME": str(Path(folder) / "models"),
            "PYTHONPATH": os.pathsep.join([str(FOLDER), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]),
        }
        options = [
            *("-p", "duckdb_test_plugin", "-p", "no:cacheprovider", "-q", "--tb=short"),
            *("--timeout", str(TEST_TIMEOUT_S), "--timeout-method", "thread"),
        ]
        command = [sys.executable, "-m", "pytest", *options, *pytest_arguments, tests.name]
        log = Path(tempfile.gettempdir()) / f"duckdb-tests-{mode}.log"
        print(f"{mode}: see {log}", flush=True)
        before = -1
        while (size := recorded.stat().st_size) > before:
            before = size
            with log.open("a" if size else "w", encoding="utf-8") as output:
                finished = subprocess.run(
                    command,
                    cwd=tests.parent,
                    env=environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=RUN_TIMEOUT_S,
                    check=False,
                )
            if finished.returncode in (0, 1, 5) and "running" not in _outcomes(recorded).values():
                break
        return _outcomes(recorded)


def _outcomes(recorded: Path) -> Outcomes:
    outcomes: Outcomes = {}
    for line in recorded.read_text(encoding="utf-8").splitlines():
        test, _, outcome = line.rpartition("\t")
        name = ast.literal_eval(test)
        if outcomes.get(name) != "failed":
            outcomes[name] = outcome
    return outcomes


def read_expected() -> dict[tuple[str, str], str]:
    """The reason for each known regression, by mode and test."""
    reasons: dict[tuple[str, str], str] = {}
    reason: list[str] = []
    listing = False
    for line in EXPECTED.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            reason = [] if listing else reason
            reason.append(line.lstrip("# "))
            listing = False
        elif line.strip():
            listing = True
            mode, _, test = line.partition(" ")
            if mode not in MODES or not reason:
                raise ValueError(f"{EXPECTED.name}: no mode or no reason: {line}")
            reasons[mode, test] = " ".join(reason)
    return reasons


def compare(mode: str, baseline: Outcomes, ours: Outcomes) -> bool:
    """Print the tests that pass in the baseline only; whether all of them are explained."""
    expected = {test: reason for (of, test), reason in read_expected().items() if of == mode}
    lost = [test for test, outcome in baseline.items() if outcome == "passed" and ours.get(test) != "passed"]
    unexplained = [test for test in lost if test not in expected and test.partition("[")[0] not in expected]
    for test in lost:
        reason = expected.get(test) or expected.get(test.partition("[")[0])
        print(f"  {ours.get(test, 'missing')} {test}" + (f": {reason}" if reason else ": NOT EXPLAINED"))
    explained = {test.partition("[")[0] for test in lost} | set(lost)
    for test in sorted(set(expected) - explained):
        print(f"  listed, but passes or did not run: {test}")
    return not unexplained


def main() -> None:
    """Run all modes and compare; the exit status says whether a regression is not explained."""
    tests, pytest_arguments = Path(sys.argv[1]).resolve(), sys.argv[2:]
    results = {mode: run(mode, tests, pytest_arguments) for mode in MODES}
    explained = True
    for mode, outcomes in results.items():
        counts = collections.Counter(outcomes.values())
        print(f"{mode}: " + ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())))
        if mode != "baseline":
            explained &= compare(mode, results["baseline"], outcomes)
    sys.exit(not explained)


if __name__ == "__main__":
    main()
