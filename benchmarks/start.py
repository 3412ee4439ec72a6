"""How long `import thano_duckdb` takes, compared with `import duckdb`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks.report import report

N_RUNS = 11


def seconds(code: str) -> float:
    """Wall time of a fresh Python process that runs `code`."""
    begun_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begun_s


def main() -> None:
    """Alternate the two and report the medians."""
    pairs = [(seconds("import duckdb"), seconds("import thano_duckdb")) for _ in range(N_RUNS)]
    report(
        "start",
        [
            {
                "runs": N_RUNS,
                "import_duckdb_s": round(statistics.median(pair[0] for pair in pairs), 3),
                "import_thano_duckdb_s": round(statistics.median(pair[1] for pair in pairs), 3),
                "added_s": round(statistics.median(pair[1] - pair[0] for pair in pairs), 3),
            }
        ],
    )
