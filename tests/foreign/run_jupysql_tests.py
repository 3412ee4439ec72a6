"""Run JupySQL's own tests twice, with its own magics and with ours in front, and report what only fails with ours.

    python tests/foreign/run_jupysql_tests.py path/to/jupysql [--data folder] [pytest arguments]

`path/to/jupysql` is a checkout of https://github.com/ploomber/jupysql, at the release that is installed. `--data` names
a folder with the files that its tests download (`penguins.csv` of mwaskom/seaborn-data, `Chinook_Sqlite.sqlite` of
lerocha/chinook-database), for a machine without a network. The exit status is 0 if every test that passes with JupySQL
alone passes with our extension, or is in `jupysql_expected.txt` with a reason.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
EXPECTED = _HERE / "jupysql_expected.txt"
"""One line per test that may fail: its id, then ` # ` and the reason."""


def main() -> int:
    """Run both, compare, and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--data", type=Path)
    arguments, for_pytest = parser.parse_known_args()
    stock = _outcomes("stock", arguments.checkout, arguments.data, for_pytest)
    ours = _outcomes("thano_duckdb", arguments.checkout, arguments.data, for_pytest)
    return _report(stock, ours, expected_failures())


def expected_failures() -> dict[str, str]:
    """The reason of each test that may fail with our extension although it passes without."""
    lines = EXPECTED.read_text(encoding="utf-8").splitlines()
    return {test: reason for test, _, reason in (line.partition(" # ") for line in lines if line.startswith("src/"))}


def _outcomes(extension: str, checkout: Path, data: Path | None, for_pytest: list[str]) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)  # the tests write files beside themselves and find others from the folder they run in
        tests = shutil.copytree(checkout / "src" / "tests", work / "src" / "tests")
        if data is not None and (data / "Chinook_Sqlite.sqlite").exists():
            (tests / "tmp").mkdir(exist_ok=True)
            shutil.copyfile(data / "Chinook_Sqlite.sqlite", tests / "tmp" / "my.db")
        environment = {
            **os.environ,
            "JUPYSQL_EXTENSION": extension,
            "JUPYSQL_OUTCOMES": str(work / "outcomes.json"),
            "JUPYSQL_DATA": str(data.resolve()) if data else "",
            "PYTHONPATH": os.pathsep.join([str(_HERE), str(_HERE.parent.parent), os.environ.get("PYTHONPATH", "")]),
            "HOME": scratch,  # JupySQL reads and writes settings there
            "THANO_HOME": str(work / "models"),
            "MPLBACKEND": "agg",
        }
        command = [sys.executable, "-m", "pytest", "src/tests", "--ignore", "src/tests/integration"]
        command += ["-q", "-p", "jupysql_outcomes", "-p", "no:cacheprovider", "--tb=short", *for_pytest]
        log = Path(tempfile.gettempdir()) / f"jupysql_tests_{extension}.log"
        with log.open("w") as output:
            subprocess.run(command, cwd=work, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
        print(f"{extension}: log in {log}")
        found: dict[str, str] = json.loads((work / "outcomes.json").read_text())
        return found


def _report(stock: dict[str, str], ours: dict[str, str], expected: dict[str, str]) -> int:
    regressions = [test for test, outcome in stock.items() if outcome == "passed" and ours.get(test) != "passed"]
    unexplained = [test for test in regressions if test not in expected]
    mended = [test for test in expected if test in ours and test not in regressions]
    for what, outcomes in (("JupySQL alone", stock), ("thano_duckdb in front", ours)):
        counts = {kind: list(outcomes.values()).count(kind) for kind in ("passed", "failed", "skipped")}
        print(f"{what}: {counts}")
    print(f"{len(regressions)} fail only with thano_duckdb, {len(unexplained)} of them without an explanation:")
    for test in unexplained:
        print(f"  {test}")
    for test in mended:
        print(f"  remove from {EXPECTED.name}: {test}")
    return bool(unexplained or mended)


if __name__ == "__main__":
    sys.exit(main())
