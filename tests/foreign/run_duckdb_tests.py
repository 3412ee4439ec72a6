"""Runs the tests of duckdb-python on our connections, and shows which of them pass only on DuckDB's own.

`python -m tests.foreign.run_duckdb_tests path/to/duckdb-python/tests/fast [pytest arguments]` runs them three times:

- `baseline`: as they are;
- `connect`: `duckdb.connect` is `thano_duckdb.connect`;
- `load`: `duckdb.connect` gives a plain connection after `thano_duckdb.load`.

A test that fails only on ours, and is not listed, is run twice more alone, because some depend on how busy the machine
is.

`duckdb_expected.txt` lists the regressions that are known, with the reason for each: a comment, then lines of a mode
and a test. A test without its parameters means all of them. The exit status is 1 if a regression is not listed, or if
a listed one passes.
"""

from __future__ import annotations

import ast
import collections
import os
import signal
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
N_REPEATS = 2

Outcomes = dict[str, str]
"""How each test ended: 'passed', 'failed', 'skipped', or 'running' if it crashed or took too long."""


def run(mode: str, folder: Path, tests: list[str], pytest_arguments: list[str]) -> Outcomes:
    """Run `tests`, which are named from `folder`, once; after a crash the rest is run in a new process."""
    with tempfile.TemporaryDirectory() as scratch:
        recorded = Path(scratch) / "outcomes"
        recorded.touch()
        environment = {
            **os.environ,
            "FOREIGN_MODE": mode,
            "FOREIGN_OUTCOMES": str(recorded),
            "THANO_HOME": str(Path(scratch) / "models"),
            "PYTHONPATH": os.pathsep.join([str(FOLDER), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]),
        }
        options = [
            *("-p", "duckdb_test_plugin", "-p", "no:cacheprovider", "-q", "--tb=short"),
            *("--timeout", str(TEST_TIMEOUT_S), "--timeout-method", "thread"),
        ]
        command = [sys.executable, "-m", "pytest", *options, *pytest_arguments, *tests]
        before = -1
        while (size := recorded.stat().st_size) > before:
            before = size
            with _log(mode).open("a", encoding="utf-8") as output:
                finished = subprocess.run(
                    command,
                    cwd=folder,
                    env=environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=RUN_TIMEOUT_S,
                    check=False,
                )
            if finished.returncode in (0, 1, 5) and "running" not in _outcomes(recorded).values():
                break
        return _outcomes(recorded)


def _log(mode: str) -> Path:
    return Path(tempfile.gettempdir()) / f"duckdb-tests-{mode}.log"


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


def find_lost(baseline: Outcomes, ours: Outcomes) -> list[str]:
    """The tests that pass in the baseline only."""
    return [test for test, outcome in baseline.items() if outcome == "passed" and ours.get(test) != "passed"]


def compare(mode: str, baseline: Outcomes, ours: Outcomes, expected: dict[tuple[str, str], str]) -> bool:
    """Print the tests that pass in the baseline only; whether they are those that the list explains."""
    reasons = {test: reason for (of, test), reason in expected.items() if of == mode}
    lost = find_lost(baseline, ours)
    for test in lost:
        reason = reasons.get(test) or reasons.get(test.partition("[")[0])
        print(f"  {ours.get(test, 'missing')} {test}: {reason or 'NOT EXPLAINED'}")
    lost_names = {*lost, *(test.partition("[")[0] for test in lost)}
    ran = {*ours, *(test.partition("[")[0] for test in ours)}
    mended = sorted(set(reasons) & ran - lost_names)
    for test in mended:
        print(f"  remove from {EXPECTED.name}, it passes or fails in the baseline too: {test}")
    explained = all(test in reasons or test.partition("[")[0] in reasons for test in lost)
    return explained and not mended


def main() -> None:
    """Run all modes and compare; the exit status says whether the list explains all regressions, and no more."""
    tests, pytest_arguments = Path(sys.argv[1]).resolve(), sys.argv[2:]
    checkout = tests.parents[1]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits that Ctrl-C is ignored
    results: dict[str, Outcomes] = {}
    for mode in MODES:
        _log(mode).unlink(missing_ok=True)
        print(f"{mode}: see {_log(mode)}", flush=True)
        results[mode] = run(mode, checkout, [str(tests.relative_to(checkout))], pytest_arguments)
    as_listed, expected = True, read_expected()
    for mode, outcomes in results.items():
        counts = collections.Counter(outcomes.values())
        print(f"{mode}: " + ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items())), flush=True)
        if mode == "baseline":
            continue
        for test in find_lost(results["baseline"], outcomes):
            is_listed = bool({(mode, test), (mode, test.partition("[")[0])} & expected.keys())
            if not is_listed and _passes_when_repeated(mode, checkout, test):
                print(f"  passes when repeated: {test}")
                outcomes[test] = "passed"
        as_listed &= compare(mode, results["baseline"], outcomes, expected)
    sys.exit(not as_listed)


def _passes_when_repeated(mode: str, folder: Path, test: str) -> bool:
    return any(run(mode, folder, [test], []).get(test) == "passed" for _ in range(N_REPEATS))


if __name__ == "__main__":
    main()
