"""Reads what a statement of ours says up to its query: from its first keyword to AS, or to its end where it has none.

A statement begins with a sequence of keywords, such as `PREDICT USING`: `find` knows them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from duckdb import token_type

from thano_duckdb.errors import did_you_mean

from . import nodes
from .cursor import Cursor, check_name
from .lexer import SPACES, Tokens
from .option import Statement
from .option_reader import read_options
from .options import Options
from .span import Span

Reader = Callable[[Cursor], nodes.Node]

QUERY_STARTS = frozenset({"(", "select", "from", "with", "values", "table"}) | frozenset(
    {"pivot", "pivot_wider", "unpivot", "pivot_longer", "describe", "desc", "summarize", "show"}
)
"""What DuckDB's queries begin with."""


def find(tokens: Tokens, index: int) -> Reader | None:
    """What reads the statement of ours that begins with the token at `index`, or None where none does."""
    seconds = _HEADS.get(tokens.word(index))
    if seconds is None:
        return None
    if seconds is _COPY:
        return read_copy if _is_our_copy(tokens, index) else None
    reader = seconds.get(tokens.word(index + 1))
    if tokens.word(index) == "search" and tokens.word(index + 2) != "using":
        return None
    return reader


def _is_our_copy(tokens: Tokens, index: int) -> bool:
    """Whether COPY is followed by a table's name and OPTIONS, which DuckDB's own COPY never is."""
    at = index + 1
    if at >= len(tokens) or tokens.word(at) == "as" or tokens.kinds[at] not in _NAMES:
        return False
    at += 1
    while tokens.word(at) == ".":
        at += 2
    return tokens.word(at) == "options"


def read_predict(cursor: Cursor) -> nodes.Node:
    """PREDICT USING model [OPTIONS (..)] AS query."""
    return _read_using(cursor, nodes.Predict, 2)


def read_evaluate(cursor: Cursor) -> nodes.Node:
    """EVALUATE USING model [OPTIONS (..)] AS query."""
    return _read_using(cursor, nodes.Evaluate, 2)


def read_convert(cursor: Cursor) -> nodes.Node:
    """CONVERT USING model [OPTIONS (..)] AS query."""
    return _read_using(cursor, nodes.Convert, 2)


def read_search(cursor: Cursor) -> nodes.Node:
    """SEARCH AUDIO USING model OPTIONS (..) AS query."""
    _only_audio(cursor, "SEARCH")
    return _read_using(cursor, nodes.Search, 3)


def _read_using(
    cursor: Cursor, kind: type[nodes.Predict | nodes.Evaluate | nodes.Convert | nodes.Search], n_words: int
) -> nodes.Node:
    keyword = _keyword(cursor, n_words)
    model = cursor.model("USING")
    return kind(model=model, **_rows_of_query(cursor, keyword, kind.statement))


def read_print(cursor: Cursor) -> nodes.Node:
    """PRINT AUDIO [OPTIONS (..)] AS query."""
    _only_audio(cursor, "PRINT")
    keyword = _keyword(cursor, 2)
    return nodes.PrintAudio(**_rows_of_query(cursor, keyword, Statement.PRINT_AUDIO))


def read_build(cursor: Cursor) -> nodes.Node:
    """BUILD MODEL name USING base [OPTIONS (..)] AS query."""
    return _read_training(cursor, nodes.Build)


def read_fit(cursor: Cursor) -> nodes.Node:
    """FIT MODEL name USING model [OPTIONS (..)] AS query."""
    return _read_training(cursor, nodes.Fit)


def _read_training(cursor: Cursor, kind: type[nodes.Build | nodes.Fit]) -> nodes.Node:
    keyword = _keyword(cursor, 2)
    name = cursor.name("model", kind.statement)
    cursor.expect("USING", f"{kind.statement} name is followed by USING and a model")
    model = cursor.model("USING")
    return kind(name=name, model=model, **_rows_of_query(cursor, keyword, kind.statement))


def read_copy(cursor: Cursor) -> nodes.Node:
    """COPY table OPTIONS (..) FROM 'file or folder'."""
    keyword = _keyword(cursor, 1)
    table = cursor.table()
    options = read_options(cursor, Statement.COPY)
    if cursor.word == "to":
        raise cursor.error("COPY with OPTIONS reads into a table; to write a file use DuckDB's COPY table TO 'file'")
    cursor.expect("FROM", "COPY table OPTIONS (..) is followed by FROM and a file")
    if cursor.word in ("?", "$"):
        raise cursor.error("The file of COPY is written in the text: a parameter cannot stand here")
    file = cursor.quoted("file")
    if cursor.word in ("(", "with"):
        raise cursor.error("OPTIONS and the options of DuckDB's own COPY do not go together: use one of them")
    overwrite = options.find("overwrite")
    if overwrite is not None and options.find("if_exists") is not None:
        raise cursor.error("overwrite and if_exists say the same: give one of them", overwrite.name_span.start)
    _ends(cursor)
    return nodes.Copy(table=table, file=file, options=options, **_place(cursor, keyword))


def read_list(cursor: Cursor) -> nodes.Node:
    """LIST MODEL, LIST TABLE, LIST THANOSQL MODEL or LIST THANOSQL DATASET."""
    what = cursor.tokens.word(cursor.index + 1).upper()
    keyword = _keyword(cursor, 2)
    if what == "THANOSQL":
        what, keyword = _thanosql(cursor, "LIST", keyword)
        what = f"THANOSQL {what}"
    if not cursor.at_end and cursor.word not in AFTER_A_QUERY:
        raise cursor.error(
            f"LIST {what} ends here, and {cursor.shown} is too much;"
            f" to select from the list write SELECT .. FROM (LIST {what}) .."
        )
    return nodes.ListAll(what=what, options=Options(Statement.LIST), **_place(cursor, keyword))


def read_get(cursor: Cursor) -> nodes.Node:
    """GET THANOSQL MODEL model [OPTIONS (..)], or GET THANOSQL DATASET name [OPTIONS (..)]."""
    what, keyword = _thanosql(cursor, "GET", _keyword(cursor, 2))
    if what == "MODEL":
        model = cursor.model(Statement.GET_MODEL)
        options = read_options(cursor, Statement.GET_MODEL)
        own_name, place = options.text("model_name"), options.place("model_name")
        if own_name is not None and place is not None:
            check_name(own_name, cursor.tokens.sql, place.start)
        _ends(cursor)
        return nodes.GetModel(model=model, options=options, **_place(cursor, keyword))
    name = cursor.name("data set", Statement.GET_DATASET)
    options = read_options(cursor, Statement.GET_DATASET)
    _ends(cursor)
    return nodes.GetDataset(name=name, options=options, **_place(cursor, keyword))


def read_upload(cursor: Cursor) -> nodes.Node:
    """UPLOAD MODEL name [OPTIONS (..)] FROM 'folder'."""
    keyword = _keyword(cursor, 2)
    name = cursor.name("model", Statement.UPLOAD)
    options = read_options(cursor, Statement.UPLOAD)
    cursor.expect("FROM", "UPLOAD MODEL name [OPTIONS (..)] is followed by FROM and the model's folder")
    folder = cursor.quoted("folder")
    _ends(cursor)
    return nodes.Upload(name=name, folder=folder, options=options, **_place(cursor, keyword))


def read_delete(cursor: Cursor) -> nodes.Node:
    """DELETE MODEL name."""
    keyword = _keyword(cursor, 2)
    name = cursor.name("model", Statement.DELETE)
    options = read_options(cursor, Statement.DELETE)
    _ends(cursor)
    return nodes.Delete(name=name, options=options, **_place(cursor, keyword))


def _keyword(cursor: Cursor, n_words: int) -> Span:
    cursor.skip(n_words)
    return cursor.span()


def _place(cursor: Cursor, keyword: Span) -> dict[str, Any]:
    return {"keyword": keyword, "span": cursor.span(), "source": cursor.tokens.sql}


def _thanosql(cursor: Cursor, verb: str, keyword: Span) -> tuple[str, Span]:
    """Read the MODEL or DATASET after THANOSQL."""
    what = cursor.word.upper()
    if what not in ("MODEL", "DATASET"):
        raise cursor.error(f"{verb} THANOSQL is followed by MODEL or DATASET, not {cursor.shown}")
    cursor.skip()
    return what, Span(keyword.start, cursor.span().end)


def _only_audio(cursor: Cursor, verb: str) -> None:
    what = cursor.tokens[cursor.index + 1]
    if what.text.lower() != "audio":
        raise cursor.error(
            f"{verb} {what.text.upper()} is not supported: models here hear speech, and only {verb} AUDIO is known",
            what.start,
        )


def _rows_of_query(cursor: Cursor, keyword: Span, statement: Statement) -> dict[str, Any]:
    """Read `[OPTIONS (..)] AS` and look whether a query begins; where it ends is for the caller to find."""
    options = read_options(cursor, statement)
    if cursor.word != "as":
        if cursor.word in QUERY_STARTS:
            raise cursor.error(f"AS is missing before the query of {statement}")
        expected = "AS" if options.given else "OPTIONS (..) or AS"
        near = did_you_mean(cursor.word, ["OPTIONS", "AS"])
        raise cursor.error(f"{statement} goes on with {expected} and a query, not {cursor.shown}.{near}")
    cursor.skip()
    before = cursor.tokens.end(cursor.index - 1)
    if cursor.at_end or cursor.word == ")":
        raise cursor.error(f"The query of {statement} is missing after AS")
    if cursor.word not in QUERY_STARTS and find(cursor.tokens, cursor.index) is None:
        raise cursor.error(
            f"After AS comes a query, and {cursor.shown} does not begin one. For a whole table write FROM table"
        )
    # A comment between AS and the query belongs to the query.
    gap = cursor.tokens.sql[before : cursor.here]
    start = cursor.here - len(gap.lstrip(SPACES))
    return {**_place(cursor, keyword), "options": options, "query": Span(start, start)}


def _ends(cursor: Cursor) -> None:
    if not cursor.at_end:
        raise cursor.error(f"The statement ends here, and {cursor.shown} is too much")


AFTER_A_QUERY = frozenset({")", "union", "intersect", "except", "order", "limit", "offset"})
_NAMES = frozenset({token_type.identifier, token_type.keyword})
_COPY: dict[str, Reader] = {}
_HEADS: dict[str, dict[str, Reader]] = {
    "predict": {"using": read_predict},
    "evaluate": {"using": read_evaluate},
    "convert": {"using": read_convert},
    "build": {"model": read_build},
    "fit": {"model": read_fit},
    "print": dict.fromkeys(("audio", "image", "video"), read_print),
    "search": dict.fromkeys(("audio", "image", "video", "keyword", "text"), read_search),
    "list": dict.fromkeys(("model", "table", "thanosql"), read_list),
    "get": {"thanosql": read_get},
    "upload": {"model": read_upload},
    "delete": {"model": read_delete},
    "copy": _COPY,
}
HEAD_WORDS = tuple(_HEADS)
