"""Hypothesis strategies: SQL of DuckDB's with awkward names, arbitrary text, and our statements."""

from __future__ import annotations

import re

from hypothesis import strategies as st

# Words of our statements that DuckDB takes as names of tables, columns, functions and types.
NAMES = st.sampled_from(
    [
        *("predict", "evaluate", "convert", "build", "fit", "print", "search", "list", "get", "upload", "delete"),
        *("copy", "model", "audio", "image", "thanosql", "dataset", "options", "keyword", "language", "text", "x", "t"),
    ]
)
STRINGS = st.sampled_from(
    [
        "'PREDICT USING m AS SELECT 1'",
        "'it''s (('",
        "E'\\';LIST MODEL'",
        "$$;DELETE MODEL m;$$",
        "$é$ ( $$ ' $é$",
        "'é한국어'",
    ]
)
SPACES = st.sampled_from(
    [" ", "\n", "\t", "  \r\n", " -- LIST MODEL (\n", "/* BUILD /* é */ ' */", " /**/ ", "\u00a0", "\u3000 "]
)


@st.composite
def spaced(draw: st.DrawFn, words: str) -> str:
    """The words of a text with any white space and comments between them, keywords in upper, lower or mixed case."""
    return "".join(
        draw(SPACES) + (draw(st.sampled_from([word.lower(), word, word.title()])) if word.isupper() else word)
        for word in words.split(" ")
    )


def _filled(*templates: str, **parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Templates, their `{n}` filled with any of `NAMES`, and their other fields with what `parts` gives."""

    def fill(template: str) -> st.SearchStrategy[str]:
        fields = re.findall(r"\{(\w+)\}", template)
        values = st.tuples(*(parts.get(field, NAMES) for field in fields))
        return values.map(lambda texts: re.sub(r"\{\w+\}", "{}", template).format(*texts))

    return st.one_of([fill(template) for template in templates])


_EXPRESSIONS = st.one_of(
    STRINGS,
    _filled("{n}", "{n}({n})", "{n}.{n}", "({n})", '"{n}"', "{n}::{n}", "x IN ({n}, 1)", "x::UNION({n} {n})"),
    _filled("[{n} FOR {n} IN ({n})]", "{n}({n} ORDER BY {n})", "CASE {n} WHEN {n} THEN ({n}) END"),
)
_TABLES = _filled(
    *("{n}", "{n} {n}", "{n} AS {n}", "({n} AS {n})", "{n}({n}) AS {n}({n})"),
    *("{n} {n} JOIN {n} USING ({n})", "({n} {n} NATURAL JOIN {n} {n})", "{n} AS {n}, ({n} {n} POSITIONAL JOIN {n})"),
)


def _around(query: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return _filled(
        *("WITH {n} AS ({q}) {q}", "{q} UNION ALL BY NAME {q}", "({q}) EXCEPT ({q})", "SELECT EXISTS ({q}) AS {n}"),
        *("SELECT {e} AS {n} FROM ({q}) {n}", "FROM {t}, LATERAL ({q}) AS {n}", "SELECT {n} IN ({q}), {e}"),
        q=query,
        e=_EXPRESSIONS,
        t=_TABLES,
    )


QUERIES = st.recursive(
    _filled(
        *(
            "SELECT {e} AS {n}, {e} FROM {t} WHERE {e}",
            "SELECT DISTINCT {n} USING SAMPLE 10",
            "FROM {t} USING SAMPLE 10",
        ),
        *(
            "TABLE {n}",
            "PIVOT {n} ON {n} USING {n}({n})",
            "VALUES ({e})",
            "SELECT {n} {n} FROM {t}",
            "FROM {t} SELECT {e}",
        ),
        e=_EXPRESSIONS,
        t=_TABLES,
    ),
    _around,
    max_leaves=4,
)
"""Queries that DuckDB parses, mostly, with our words as names everywhere."""

_COLUMNS = _filled(
    *("{n} {n}", "{n} {n} DEFAULT 1", "{n} {n} USING COMPRESSION rle", "{n} {n} AS ({n})", "{n} STRUCT({n} {n})"),
)
STATEMENTS = st.one_of(
    QUERIES,
    _filled(
        *("EXPLAIN {q}", "CREATE TABLE {n}({c}, {c})", "CREATE TABLE {n}({c})", "CREATE TABLE {n} AS {q}"),
        *("CREATE OR REPLACE VIEW {n} AS {q}", "CREATE MACRO {n}({n}) AS TABLE {q}", "CREATE MACRO {n}({n}) AS {n}"),
        *("INSERT INTO {n} {q}", "INSERT INTO {n} AS {n} {q}", "INSERT OR REPLACE INTO {n}.{n} ({n}, {n}) {q}"),
        *(
            "DELETE FROM {n} AS {n} USING {n} {n}",
            "UPDATE {n} SET {n} = ({n})",
            "COPY {n} FROM {s}",
            "DESCRIBE {n}",
            "DESC {n}.{n}",
        ),
        *("COPY {n} ({n}, {n}) FROM 'x' (FORMAT csv)", "COPY ({q}) TO 'x'", "PREPARE {n} AS {q}"),
        *("CREATE INDEX {n} ON {n} USING {n} ({n})", "ALTER TABLE {n} ALTER {n} TYPE {n} USING {n}"),
        q=QUERIES,
        c=_COLUMNS,
        s=STRINGS,
    ),
)
"""Statements that DuckDB parses, mostly."""

# Pieces of text that make no sense together. No second word of our statements is among them, so that none is ours.
SOUP = st.lists(
    st.one_of(
        st.sampled_from(["PREDICT", "build", "Fit", "LIST", "get", "COPY", "print", "delete", "evaluate", "explain"]),
        st.sampled_from(
            [
                *("SELECT", "FROM", "WITH", "AS", "UNION", "CREATE", "INSERT", "INTO", "(", ")", ";", ",", ".", "="),
                *("[", "]", "{", "}", "::", "'", '"', "$$", "$a$", "/*", "*/", "--", "?", "$1"),
            ]
        ),
        st.sampled_from(["'a''b'", "E'\\''", '"x""y"', "1e-4", "é", "한국어", "\u00a0", "\ufeff", "\n", "\0", "🎧"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=5).filter(lambda text: not text.isalpha()),
    )
).map(" ".join)

MODELS = st.sampled_from(["m", "mine@2", "wav2vec2-base.v1", "'../it''s'", '"hf://a/b"'])
OPTIONS = st.sampled_from(
    ["", "OPTIONS ()", "OPTIONS ( audio_col = 'ab' , batch_size = 8 )", "OPTIONS ( include = [ words , 'error' ] )"]
)
INNER = st.sampled_from(
    [
        "SELECT * FROM t",
        "FROM t",
        "(SELECT ';)' FROM t)",
        "VALUES (1)",
        "WITH a AS (FROM t) FROM a",
        "FROM t UNION FROM u",
    ]
)


@st.composite
def predictions(draw: st.DrawFn, depth: int = 2) -> str:
    """PREDICT statements, some of them nested."""
    query = draw(INNER)
    if depth and draw(st.booleans()):
        inner = draw(predictions(depth - 1))
        query = draw(st.sampled_from([inner, f"({inner})", f"SELECT * FROM ({inner}) AS p"]))
    return " ".join(f"PREDICT USING {draw(MODELS)} {draw(OPTIONS)} AS {query}".split())


CONTEXTS = st.sampled_from(
    [
        "{}",
        "({})",
        "SELECT * FROM ({}) AS p",
        "WITH a AS ({}) SELECT * FROM a",
        "WITH a AS (FROM t) {}",
        "CREATE TABLE r AS {}",
        "CREATE VIEW r AS {}",
        "INSERT INTO r {}",
        "INSERT INTO r BY NAME {}",
        "INSERT OR REPLACE INTO s.r (a, b) {}",
        "COPY ({}) TO 'x'",
        "EXPLAIN ANALYZE {}",
        "SELECT 1 UNION ALL {}",
        "SELECT EXISTS ({})",
        "PREPARE r AS {}",
    ]
)
