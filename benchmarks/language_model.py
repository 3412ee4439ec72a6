"""How long BUILD LANGUAGE MODEL takes over a million sentences, and what perplexities and loading cost after it."""

from __future__ import annotations

import os
import tempfile
import time

import psutil

import thano_duckdb
from benchmarks.clip_sets import SHARED
from benchmarks.report import report
from benchmarks.scale import peak_mib

TEXT = SHARED / "data" / "lm_text"
N_SENTENCES = int(1_000_000 * float(os.environ.get("BENCH_SCALE", "1")))
N_RATED = 100_000

# There are not a million sentences: the first half of each goes before the second half of four others.
_SPLICED = """
    CREATE TABLE sentences AS
    SELECT array_to_string(
        list_concat(one.words[:len(one.words) // 2], other.words[len(other.words) // 2 + 1:]), ' '
    ) AS text
    FROM numbered AS one, range(5) AS copy (i), numbered AS other
    WHERE other.id = (one.id * 7919 + copy.i * 104729) % (SELECT count(*) FROM numbered)
    LIMIT {n}
"""


def main() -> None:
    """Build over a table, then rate some of its sentences twice: once with loading the model."""
    if not TEXT.is_dir():
        raise SystemExit(f"the text {TEXT} is not on this machine")
    with tempfile.TemporaryDirectory() as home, thano_duckdb.connect(model_home=home, progress=False) as con:
        con.execute(
            "CREATE TABLE numbered AS SELECT string_split(line, ' ') AS words, row_number() OVER () - 1 AS id "
            f"FROM read_csv('{TEXT}/*.txt', columns={{'line': 'VARCHAR'}}, delim='\x01', quote='', header=false)"
        )
        con.execute(_SPLICED.format(n=N_SENTENCES))
        begun_s, load_before = time.perf_counter(), psutil.getloadavg()[0]
        figures = con.execute("BUILD LANGUAGE MODEL m AS FROM sentences").fetchone()
        build_s = time.perf_counter() - begun_s
        peak = peak_mib()
        rate = f"SELECT avg(thano_perplexity(text, 'm')) FROM (FROM sentences LIMIT {N_RATED})"
        rating_s = []
        for _ in range(2):
            begun_s = time.perf_counter()
            con.execute(rate).fetchall()
            rating_s.append(time.perf_counter() - begun_s)
    assert figures is not None
    report(
        "language_model",
        [
            {
                "sentences": figures[3],
                "words": figures[4],
                "ngrams": figures[6],
                "build_s": round(build_s, 1),
                "peak_mib": round(peak),
                "rated": N_RATED,
                "rating_s": round(rating_s[1], 1),
                "loading_s": round(rating_s[0] - rating_s[1], 1),
                "load_average": round(load_before, 1),
            }
        ],
    )
