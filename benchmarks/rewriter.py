"""How long the rewriter takes: `python -m benchmarks rewriter`.

Timed: `thano_duckdb.dialect.plan(text)`, from the text to DuckDB SQL; the best of several runs in one process.
Not timed: importing, DuckDB's own parsing of the result, and Python's garbage collector, which `timeit` switches off
(with it, a script of 1 MB takes up to 50 % longer).
"""

from __future__ import annotations

import timeit

from benchmarks.report import report
from thano_duckdb.dialect import plan

PREDICT = (
    "PREDICT USING tutorial_audio_recognition OPTIONS (audio_col='audio_path', batch_size=8) AS\n"
    "SELECT * FROM librispeech_train WHERE speaker = 'ann' LIMIT 100;\n"
)
PLAIN = "SELECT a.b, count(*) FROM t AS x JOIN y USING (id) WHERE c = 'hello' AND max(d) > 1.5; -- all\n"
# The same with our keywords as names, so that the text has to be split into tokens.
NAMES = "SELECT a.b, list(*) FROM t AS x JOIN y USING (id) WHERE get = 'hello' AND fit(d) > 1; -- all\n"
TEXTS = {
    "plain": PLAIN,
    "plain, our keywords as names": NAMES,
    "one PREDICT in 1 KB": PREDICT + NAMES * 9,
    "only PREDICT": PREDICT,
    "only PREDICT, not ASCII": PREDICT.replace("ann", "안나"),
}
SIZES = [1 << 10, 1 << 14, 1 << 16, 1 << 18, 1 << 20]


def script(statement: str, size: int) -> str:
    """As many whole statements as fit into about `size` characters."""
    text = (statement * (size // len(statement) + 2))[:size]
    return text[: text.rindex(";") + 1]


def best_s(text: str) -> float:
    """Seconds of the fastest of several runs; short texts are rewritten many times per run."""
    n_times = max(1, (1 << 16) // len(text))
    return min(timeit.repeat(lambda: plan(text), number=n_times, repeat=5)) / n_times


def main() -> None:
    """Report milliseconds for each text and size, per KB, and the ratio to a KB of the 64 KB text."""
    rows: list[dict[str, object]] = []
    for name, statement in TEXTS.items():
        texts = {size: script(statement, size) for size in SIZES}
        duration_ms = {size: best_s(text) * 1000 for size, text in texts.items()}
        per_kb_ms = {size: duration_ms[size] / (len(text) / 1024) for size, text in texts.items()}
        rows += [
            {
                "text": name,
                "size_kb": size >> 10,
                "duration_ms": round(duration_ms[size], 3),
                "per_kb_ms": round(per_kb_ms[size], 4),
                "ratio_to_64_kb": round(per_kb_ms[size] / per_kb_ms[1 << 16], 2),
            }
            for size in SIZES
        ]
    report("rewriter", rows)


if __name__ == "__main__":
    main()
