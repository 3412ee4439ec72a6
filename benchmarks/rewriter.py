"""How long the rewriter takes: `python benchmarks/rewriter.py`.

Timed: `thano_duckdb.dialect.plan(text)`, from the text to DuckDB SQL, the best of several runs in one process.
Not timed: importing, and DuckDB's own parsing of what comes out.
"""

from __future__ import annotations

import platform
import sys
import time

import duckdb

from thano_duckdb.dialect import plan

PREDICT = (
    "PREDICT USING tutorial_audio_recognition OPTIONS (audio_col='audio_path', batch_size=8) AS\n"
    "SELECT * FROM librispeech_train WHERE speaker = 'ann' LIMIT 100;\n"
)
PLAIN = "SELECT a.b, count(*) FROM t AS x JOIN y USING (id) WHERE c = 'hello' AND max(d) > 1.5; -- all\n"
# The same with words of ours as names, so that the text has to be cut into tokens.
NAMES = "SELECT a.b, list(*) FROM t AS x JOIN y USING (id) WHERE get = 'hello' AND fit(d) > 1; -- all\n"
TEXTS = {
    "plain": PLAIN,
    "plain, our words as names": NAMES,
    "one PREDICT in 1 KB": PREDICT + NAMES * 9,
    "nothing but PREDICT": PREDICT,
    "the same, not ASCII": PREDICT.replace("ann", "안나"),
}
SIZES = [1 << 10, 1 << 14, 1 << 16, 1 << 18, 1 << 20]


def script(statement: str, size: int) -> str:
    """Whole statements, together about `size` characters."""
    text = (statement * (size // len(statement) + 2))[:size]
    return text[: text.rindex(";") + 1]


def best_s(text: str, n_runs: int = 5) -> float:
    """The shortest of several runs, in seconds; short texts are run many times over."""
    n_times = max(1, (1 << 16) // len(text))
    times_s = []
    for _ in range(n_runs):
        start = time.perf_counter()
        for _ in range(n_times):
            plan(text)
        times_s.append((time.perf_counter() - start) / n_times)
    return min(times_s)


def main() -> None:
    """Print the table: milliseconds a text, and what a byte of 1 MB costs beside one of 64 KB."""
    print(f"Python {platform.python_version()}, DuckDB {duckdb.__version__}, {platform.machine()}, {sys.platform}")
    print(f"{'milliseconds for a script of':30}" + "".join(f"{size >> 10:>9} KB" for size in SIZES) + "   1 MB/64 KB")
    for name, statement in TEXTS.items():
        cost_ms, per_kb_ms = [], {}
        for size in SIZES:
            text = script(statement, size)
            duration_ms = best_s(text) * 1000
            cost_ms.append(duration_ms)
            per_kb_ms[size] = duration_ms / (len(text) / 1024)
        ratio = per_kb_ms[1 << 20] / per_kb_ms[1 << 16]
        print(f"{name:30}" + "".join(f"{cost:12.3f}" for cost in cost_ms) + f"{ratio:13.2f}")
        print(f"{'  for each KB':30}" + "".join(f"{per_kb_ms[size]:12.3f}" for size in SIZES))


if __name__ == "__main__":
    main()
