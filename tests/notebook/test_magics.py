"""`%%sql` cells with our statements: what people do with JupySQL works, and each clip is transcribed once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import polars as pl
import pytest
from matplotlib import pyplot as plt

import thano_duckdb
from tests.conftest import Utterance
from tests.notebook.conftest import Notebook
from thano_duckdb.speech.batch_runner import BatchRunner
from thano_duckdb.speech.cache import MemoryCache, NoCache

N_CLIPS = 5
PREDICT = "PREDICT USING m OPTIONS (audio_col='audio_path') AS\nSELECT * FROM clips ORDER BY audio_path"


@pytest.fixture
def speech(notebook: Notebook, an4_test: list[Utterance], an4_model: Path) -> Notebook:
    """A notebook with five clips in the table `clips`, and the model `m`."""
    rows = ", ".join(f"('{clip.audio_path}', '{clip.text}')" for clip in an4_test[:N_CLIPS])
    notebook.run(f"%%sql\nCREATE TABLE clips AS FROM (VALUES {rows}) t(audio_path, text)")
    notebook.run(f"%%sql\nUPLOAD MODEL m FROM '{an4_model}'")
    return notebook


@pytest.fixture
def expected(an4_test: list[Utterance], an4_model: Path) -> list[str]:
    """What the model recognises in the clips, without a notebook."""
    paths = sorted(clip.audio_path for clip in an4_test[:N_CLIPS])
    with thano_duckdb.connect() as con:
        return [
            con.execute("SELECT thano_transcribe(?, ?).text", [str(an4_model), path]).fetchall()[0][0] for path in paths
        ]


@pytest.fixture
def n_inferred(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many clips went through a model since the last call; no transcript is cached."""
    counted: list[int] = []
    run = BatchRunner.run

    def counting_run(self: BatchRunner, inputs: Sequence[Any], *others: Any, **more: Any) -> Iterator[Any]:
        counted.append(len(inputs))
        return run(self, inputs, *others, **more)

    def n() -> int:
        total = sum(counted)
        counted.clear()
        return total

    monkeypatch.setattr(BatchRunner, "run", counting_run)
    monkeypatch.setattr(MemoryCache, "get_many", NoCache.get_many)
    return n


def predicted(result: Any) -> list[str]:
    return list(result.dict()["predicted"])


# Once per cell


@pytest.mark.parametrize("query", [PREDICT, f"SELECT * FROM ({PREDICT})"], ids=["PREDICT", "SELECT"])
@pytest.mark.parametrize("use", ["rows", "html", "DataFrame", "PolarsDataFrame", "all"])
def test_a_cell_transcribes_once_however_its_result_is_read(
    speech: Notebook, expected: list[str], n_inferred: Callable[[], int], use: str, query: str
) -> None:
    n_inferred()
    result = speech.run(f"%%sql\n{query}")
    if use in ("html", "all"):
        html = speech.html(result)
        assert all(text in html for text in expected)
    if use in ("DataFrame", "all"):
        assert result.DataFrame()["predicted"].tolist() == expected
    if use in ("PolarsDataFrame", "all"):
        assert result.PolarsDataFrame()["predicted"].to_list() == expected
    if use in ("rows", "all"):
        assert (predicted(result), len(result)) == (expected, N_CLIPS)
    assert n_inferred() == N_CLIPS


@pytest.mark.parametrize(("setting", "kind"), [("autopandas", pd.DataFrame), ("autopolars", pl.DataFrame)])
def test_autopandas_and_autopolars_give_data_frames(
    speech: Notebook,
    expected: list[str],
    n_inferred: Callable[[], int],
    setting: str,
    kind: type[pd.DataFrame | pl.DataFrame],
) -> None:
    n_inferred()
    speech.run(f"%config SqlMagic.{setting} = True")
    try:
        frame = speech.run(f"%%sql\n{PREDICT}\n-- a comment at the end")
    finally:
        speech.run(f"%config SqlMagic.{setting} = False")
    assert isinstance(frame, kind)
    assert list(frame["predicted"]) == expected
    assert n_inferred() == N_CLIPS


@pytest.mark.parametrize("query", ["FROM range(5)", "VALUES (1), (2), (3), (4), (5)", "(SELECT * FROM range(5))"])
def test_no_row_is_lost(notebook: Notebook, query: str) -> None:
    result = notebook.run(f"%%sql\n{query};\n-- a comment")
    assert (len(result.DataFrame()), len(result), len(result.PolarsDataFrame())) == (5, 5, 5)


# Cells


def test_several_statements_give_the_last_result(speech: Notebook, expected: list[str]) -> None:
    result = speech.run(
        f"%%sql\nCREATE TEMP TABLE transcripts AS {PREDICT};\n\n-- and then\nSELECT predicted FROM transcripts;"
    )
    assert predicted(result) == expected


def test_temporary_tables_and_variables_last_from_cell_to_cell(notebook: Notebook) -> None:
    notebook.run("%%sql\nCREATE TEMP TABLE t AS SELECT 42 AS i; SET VARIABLE v = 7; CREATE SCHEMA s; USE s")
    assert list(notebook.run("%sql SELECT i, getvariable('v'), current_schema() FROM temp.t")) == [(42, 7, "s")]


def test_cells_may_hold_comments(speech: Notebook, expected: list[str]) -> None:
    assert speech.run("%%sql\n-- nothing but a comment\n/* and another */") is None
    assert (
        predicted(speech.run(f"%%sql\n-- first\n{PREDICT.replace('AS', 'AS /* in; between */', 1)} -- last"))
        == expected
    )


def test_colons_and_quotes_in_options(speech: Notebook) -> None:
    speech.run('%%sql\nCREATE TABLE odd AS SELECT audio_path AS "it\'s: a:b" FROM clips')
    cell = "%%sql\nPREDICT USING 'm' OPTIONS (audio_col=\"it's: a:b\", result_col='12:30; {x}') AS SELECT * FROM odd"
    assert speech.run(cell).keys == ["it's: a:b", "12:30; {x}"]


def test_copy_with_options_and_a_double_quoted_file(notebook: Notebook, tmp_path: Path) -> None:
    (tmp_path / "my file.csv").write_text("audio_path,text\na.wav,A\n")
    notebook.run('%%sql\nCOPY made OPTIONS (overwrite =True) FROM "my file.csv"')
    assert list(notebook.run("%sql FROM made")) == [("a.wav", "A")]


def test_thanosql_is_the_same_magic(speech: Notebook, expected: list[str]) -> None:
    assert predicted(speech.run(f"%%thanosql\n{PREDICT}")) == expected
    assert list(speech.run("%thanosql SELECT 'it''s' AS a, -1 AS b")) == [("it's", -1)]


def test_an_api_token_is_accepted_and_not_needed(notebook: Notebook) -> None:
    ran = notebook.try_to("%thanosql API_TOKEN='abc'")
    assert ran.error is None
    assert "No API token is needed" in ran.stdout


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ("SELECT 'it''s' AS a", ("it's",)),
        ("SELECT 'a -- b' AS a", ("a -- b",)),
        ("SELECT 1 AS a, b: -1", (1, -1)),
        ("SELECT 1 << 4 AS a", (16,)),
        ("SELECT '<<' AS a", ("<<",)),
        ("SELECT {'a': 1} AS a", ({"a": 1},)),
    ],
)
def test_a_line_reaches_duckdb_as_it_is_written(notebook: Notebook, line: str, row: tuple[object, ...]) -> None:
    assert list(notebook.run(f"%sql {line}")) == [row]
    assert list(notebook.run(f"%%sql\n{line}")) == [row]


def test_a_long_statement_runs(notebook: Notebook) -> None:
    values = ", ".join(f"({i})" for i in range(6000))
    assert list(notebook.run(f"%%sql\nSELECT count(*) FROM (VALUES {values}) t(i)")) == [(6000,)]


# JupySQL's own


@pytest.mark.parametrize("arrow", ["transcripts << ", "transcripts = << "])
def test_results_can_be_assigned_to_a_variable(speech: Notebook, expected: list[str], arrow: str) -> None:
    speech.run(f"%%sql {arrow}\n{PREDICT}")
    assert predicted(speech.variables["transcripts"]) == expected
    speech.run(f"transcripts = None\n%sql {arrow}{' '.join(PREDICT.split())}")
    assert predicted(speech.variables["transcripts"]) == expected


def test_python_variables_are_filled_in(speech: Notebook, expected: list[str]) -> None:
    speech.run("which = 'm'; n = 2")
    result = speech.run("%%sql\nPREDICT USING {{which}} AS SELECT * FROM clips ORDER BY audio_path LIMIT {{n}}")
    assert predicted(result) == expected[:2]


def test_a_saved_prediction_can_be_queried(speech: Notebook, expected: list[str]) -> None:
    speech.run(f"%%sql --save transcripts --no-execute\n{PREDICT}")
    assert predicted(speech.run("%sql SELECT predicted FROM transcripts")) == expected
    assert predicted(speech.run("%%sql --with transcripts\nSELECT predicted FROM transcripts")) == expected


def test_a_saved_query_can_be_transcribed(speech: Notebook, expected: list[str]) -> None:
    speech.run("%%sql --save two --no-execute\nSELECT * FROM clips ORDER BY audio_path LIMIT 2")
    speech.run("%%sql --save transcripts --no-execute\nPREDICT USING m AS SELECT * FROM two")
    assert predicted(speech.run("%%sql\nPREDICT USING m AS SELECT * FROM two")) == expected[:2]
    assert predicted(speech.run("%sql SELECT predicted FROM transcripts")) == expected[:2]
    metrics = dict(list(speech.run("%%sql\nEVALUATE USING m AS SELECT * FROM two")))
    assert metrics["clips"] == 2


@pytest.mark.parametrize("limit", [3, 10])
def test_a_displaylimit_that_the_user_sets_is_kept(notebook: Notebook, limit: int) -> None:
    notebook.run(f"%config SqlMagic.displaylimit = {limit}")
    html = notebook.html(notebook.run("%sql SELECT 'r' || range AS i FROM range(20)"))
    assert [i for i in range(20) if f">r{i}<" in html] == list(range(limit))
    assert f"{limit} rows of 20" in html


def test_short_results_are_shown_whole(notebook: Notebook) -> None:
    result = notebook.run("%sql SELECT 'r' || range AS i FROM range(40)")
    assert [i for i in range(40) if f">r{i}<" in notebook.html(result)] == list(range(40))
    assert len(result) == 40
    assert len(result.dict()["i"]) == 40
    html = notebook.html(notebook.run("%sql SELECT 'r' || range AS i FROM range(41)"))
    assert [i for i in range(41) if f">r{i}<" in html] == list(range(10))
    assert "10 rows of 41" in html


def test_interact_sets_a_parameter(speech: Notebook, expected: list[str]) -> None:
    speech.run("from ipywidgets import IntSlider\nn = IntSlider(min=1, max=3, value=2)")
    ran = speech.try_to("%%sql --interact n\nPREDICT USING m AS SELECT * FROM clips ORDER BY audio_path LIMIT {{n}}")
    assert ran.error is None
    shown = "".join(output.data.get("text/html", "") for output in ran.displayed)
    assert expected[1] in shown
    assert expected[2] not in shown


@pytest.mark.filterwarnings("ignore:vert. bool was deprecated")  # JupySQL's boxplot under matplotlib 3.11
def test_sqlplot_plots_predictions(speech: Notebook) -> None:
    mpl.use("agg")
    speech.run(f"%%sql\nCREATE TABLE transcripts AS SELECT *, length(predicted) AS n_chars FROM ({PREDICT})")
    speech.run(f"%%sql --save lengths --no-execute\nSELECT length(predicted) AS n_chars FROM ({PREDICT})")
    for kind in (
        "histogram --table transcripts",
        "boxplot --table transcripts",
        "histogram --with lengths --table lengths",
    ):
        axes = speech.run(f"%sqlplot {kind} --column n_chars")
        assert axes.get_ylabel() or axes.get_title()
        plt.close("all")


def test_data_frames_can_be_queried(speech: Notebook, expected: list[str], an4_test: list[Utterance]) -> None:
    speech.run("import pandas as pd")
    speech.variables["query"] = pd.DataFrame({"audio_path": sorted(clip.audio_path for clip in an4_test[:N_CLIPS])})
    assert predicted(speech.run("%%sql\nPREDICT USING m AS SELECT * FROM query")) == expected
    speech.run(
        "def inside():\n    mine = pd.DataFrame({'a': [1, 2]})\n    found = %sql SELECT * FROM mine\n    return found"
    )
    assert list(speech.run("inside()")) == [(1,), (2,)]


def test_changed_rows_are_counted(notebook: Notebook) -> None:
    notebook.run("%sql CREATE TABLE t (i INTEGER)")
    ran = notebook.try_to("%%sql\nINSERT INTO t VALUES (1), (2), (3)")
    assert any("3 rows affected" in output.data["text/plain"] for output in ran.displayed)
    assert notebook.run("%sql CREATE TABLE u (i INTEGER)").keys == ["Success"]
    assert notebook.run('%sql SELECT i AS "Count" FROM u').keys == ["Count"]
    assert list(notebook.run("%%sql\nSELECT 1;;\n;")) == [(1,)]
    assert list(notebook.run("%sql INSERT INTO t VALUES (4) RETURNING i")) == [(4,)]


# EXPLAIN


def test_an_explained_predict_is_shown_as_text(speech: Notebook, n_inferred: Callable[[], int]) -> None:
    n_inferred()
    result = speech.run("%%sql\nEXPLAIN PREDICT USING m AS SELECT * FROM clips")
    html = speech.html(result)
    assert '<pre class="thano-explanation">' in html
    assert "╭─ Projection" in html
    assert f"PREDICT USING m\n  rows        {N_CLIPS}\n" in html
    assert [row["explain_key"] for row in result.DataFrame().to_dict("records")] == ["physical_plan", "thano_plan"]
    assert n_inferred() == 0
    assert "thano-explanation" not in speech.html(speech.run("%%sql\nEXPLAIN SELECT 1"))
