"""LIST shows models, data sets and tables, DESCRIBE one model; GET, UPLOAD and DELETE change what exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from thano_duckdb.dialect.given_options import GivenOptions
from thano_duckdb.dialect.lexer import Tokens
from thano_duckdb.dialect.nodes import Name, Node
from thano_duckdb.dialect.option_reader import read_options
from thano_duckdb.dialect.quoting import json_literal, literal
from thano_duckdb.dialect.span import Span
from thano_duckdb.dialect.token_reader import TokenReader, check_name
from thano_duckdb.option import StatementKind

from .syntax import AFTER_A_QUERY, Beginning, Syntax, written_at

_LISTS = {
    "MODEL": "SELECT * FROM thano_models() WHERE kind <> 'built-in'",
    "LANGUAGE MODEL": "SELECT * FROM thano_models() WHERE kind = 'language model'",
    "THANOSQL MODEL": "SELECT * FROM thano_models()",
    "THANOSQL DATASET": "SELECT * FROM thano_datasets()",
    "TABLE": (
        "SELECT * FROM ("
        "SELECT table_name, schema_name, database_name, 'table' AS kind FROM system.main.duckdb_tables() "
        "WHERE NOT internal UNION ALL "
        "SELECT view_name, schema_name, database_name, 'view' FROM system.main.duckdb_views() WHERE NOT internal)"
    ),
}


_SYNONYMS = {"MODELS": "MODEL", "TABLES": "TABLE", "DATASETS": "DATASET"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAll(Node):
    """`LIST MODEL`, `LIST LANGUAGE MODEL`, `LIST THANOSQL MODEL`, `LIST THANOSQL DATASET` or `LIST TABLE`.

    Attributes:
        what: the words after LIST, in capitals.
    """

    kind = StatementKind.LIST
    what: str

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read what follows LIST and MODEL, TABLE or THANOSQL."""
        what = reader.tokens.word(reader.index - 1).upper()
        what = _SYNONYMS.get(what, what)
        if reader.tokens.word(reader.index - 2) == "language":
            what = f"LANGUAGE {what}"
        if what == "THANOSQL":
            what, keyword = _thanosql(reader, "LIST", keyword)
            what = f"THANOSQL {what}"
        if not reader.at_end and reader.word not in AFTER_A_QUERY:
            raise reader.error(
                f"Unexpected {reader.shown} after LIST {what};"
                f" to select from the list write SELECT .. FROM (LIST {what}) .."
            )
        return cls(what=what, options=GivenOptions(cls.kind), **written_at(reader, keyword))

    def sql_around(self) -> tuple[str, str]:
        """A SELECT of the list."""
        return _LISTS[self.what], ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe(Node):
    """`DESCRIBE MODEL name`, or DESC; of LANGUAGE MODEL no other is described.

    Attributes:
        model: as after USING.
        is_language_model: whether the statement says LANGUAGE MODEL.
    """

    kind = StatementKind.DESCRIBE
    model: Name
    is_language_model: bool = False

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `name`."""
        is_language_model = reader.tokens.word(reader.index - 2) == "language"
        what = "LANGUAGE MODEL" if is_language_model else "MODEL"
        model = reader.model(f"DESCRIBE {what}")
        if not reader.at_end and reader.word not in AFTER_A_QUERY:
            raise reader.error(
                f"Unexpected {reader.shown} after DESCRIBE {what} {model.text};"
                f" to select from it write SELECT .. FROM (DESCRIBE {what} {model.text}) .."
            )
        options = GivenOptions(cls.kind)
        return cls(model=model, is_language_model=is_language_model, options=options, **written_at(reader, keyword))

    def sql_around(self) -> tuple[str, str]:
        """A SELECT of what is known of the model."""
        more = ", is_language_model := true" if self.is_language_model else ""
        return f"SELECT * FROM thano_describe_model({literal(self.model.text)}{more})", ""


# These become table macros (sql/macros.sql): SELECT unnest(f(..)) of a struct would call f once for each of its fields.


@dataclass(frozen=True, slots=True, kw_only=True)
class GetModel(Node):
    """`GET THANOSQL MODEL model [OPTIONS (..)]`."""

    kind = StatementKind.GET_MODEL
    runs_now = True
    model: Name

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `model [OPTIONS (..)]`."""
        model = reader.model(cls.kind)
        options = read_options(reader, cls.kind)
        own_name, span = options.text("model_name"), options.span_of("model_name")
        if own_name is not None and span is not None:
            check_name(own_name, reader.tokens.sql, span.start)
        reader.expect_end()
        return cls(model=model, options=options, **written_at(reader, keyword))

    def sql_around(self) -> tuple[str, str]:
        """A call that brings the model onto this machine."""
        options = json_literal(self.options.for_function)
        return f"SELECT * FROM thano_get_model({literal(self.model.text)}, {options})", ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetDataset(Node):
    """`GET THANOSQL DATASET name [OPTIONS (..)]`."""

    kind = StatementKind.GET_DATASET
    runs_now = True
    name: Name

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `name [OPTIONS (..)]`."""
        name = reader.name("data set", cls.kind)
        options = read_options(reader, cls.kind)
        reader.expect_end()
        return cls(name=name, options=options, **written_at(reader, keyword))

    def sql_around(self) -> tuple[str, str]:
        """A call that writes the data set into the working folder."""
        options = json_literal(self.options.for_function)
        return f"SELECT * FROM thano_get_dataset({literal(self.name.text)}, {options})", ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload(Node):
    """`UPLOAD MODEL name [OPTIONS (..)] FROM 'folder'`."""

    kind = StatementKind.UPLOAD
    runs_now = True
    name: Name
    folder: Name

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `name [OPTIONS (..)] FROM 'folder'`."""
        name = reader.name("model", cls.kind)
        options = read_options(reader, cls.kind)
        reader.expect("FROM", "UPLOAD MODEL name [OPTIONS (..)] is followed by FROM and the model's folder")
        folder = reader.quoted("folder")
        reader.expect_end()
        return cls(name=name, folder=folder, options=options, **written_at(reader, keyword))

    def sql_around(self) -> tuple[str, str]:
        """A call that copies the folder into the registry."""
        name, folder = literal(self.name.text), literal(self.folder.text)
        return f"SELECT * FROM thano_upload_model({name}, {folder}, {json_literal(self.options.for_function)})", ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Node):
    """`DELETE MODEL [IF EXISTS] name`, or DROP MODEL.

    Attributes:
        name: of the model, or of one of its versions.
        if_exists: a name that does not exist is no error.
        is_language_model: whether the statement says LANGUAGE MODEL, which removes no other.
    """

    kind = StatementKind.DELETE
    runs_now = True
    name: Name
    if_exists: bool = False
    is_language_model: bool = False

    @classmethod
    def read(cls, reader: TokenReader, keyword: Span) -> Self:
        """Read `[IF EXISTS] name`."""
        is_language_model = reader.tokens.word(reader.index - 2) == "language"
        verb = reader.tokens.word(reader.index - (3 if is_language_model else 2)).upper()
        if_exists = (reader.word, reader.tokens.word(reader.index + 1)) == ("if", "exists")
        if if_exists:
            reader.skip(2)
        elif reader.word == "if" and reader.tokens.word(reader.index + 1) not in ("", ";", "options", "@"):
            reader.skip()
            raise reader.error(f"{reader.shown} is unexpected after IF. Did you mean IF EXISTS?")
        after = "IF EXISTS" if if_exists else f"{verb} {'LANGUAGE ' if is_language_model else ''}MODEL"
        name = reader.name("model", after, with_version=True)
        options = read_options(reader, cls.kind)
        reader.expect_end()
        return cls(
            name=name,
            if_exists=if_exists,
            is_language_model=is_language_model,
            options=options,
            **written_at(reader, keyword),
        )

    def sql_around(self) -> tuple[str, str]:
        """A call that removes the model from the registry."""
        more = ", if_exists := true" if self.if_exists else ""
        more += ", is_language_model := true" if self.is_language_model else ""
        return f"SELECT * FROM thano_delete_model({literal(self.name.text)}{more})", ""


def _read_get(reader: TokenReader, keyword: Span) -> GetModel | GetDataset:
    what, keyword = _thanosql(reader, "GET", keyword)
    return GetModel.read(reader, keyword) if what == "MODEL" else GetDataset.read(reader, keyword)


def _thanosql(reader: TokenReader, verb: str, keyword: Span) -> tuple[str, Span]:
    """Read the MODEL or DATASET after THANOSQL; returns it, and where the keywords up to it are written."""
    what = _SYNONYMS.get(reader.word.upper(), reader.word.upper()) if verb == "LIST" else reader.word.upper()
    if what not in ("MODEL", "DATASET"):
        raise reader.error(f"{verb} THANOSQL is followed by MODEL or DATASET, not {reader.shown}")
    reader.skip()
    return what, Span(keyword.start, reader.span().end)


def _list_cannot_be_names(beginning: Beginning) -> bool:
    _list, second, third, _fourth = beginning.words
    if second == "thanosql":
        return third in ("model", "models", "dataset", "datasets")
    if second == "language":
        return third in ("model", "models")
    return second == "table" or not beginning.is_first or third in AFTER_A_QUERY


def _names_a_model(tokens: Tokens, index: int) -> bool:
    """Whether a name follows DESCRIBE MODEL, which alone describes a table called `model`."""
    return tokens.word(index + 2) not in ("", ";", ".", ",", *AFTER_A_QUERY)


def _get_cannot_be_names(beginning: Beginning) -> bool:
    return beginning.words[2] in ("model", "dataset")


def _upload_cannot_be_names(beginning: Beginning) -> bool:
    return beginning.words[3] in ("options", "from")


def _delete_cannot_be_names(beginning: Beginning) -> bool:
    return beginning.words[2] != ")" and beginning.words[3] in (")", ";", "")


SYNTAXES = (
    *(
        Syntax(keywords=f"LIST {what}", read=ListAll.read, stands_as_query=True, cannot_be_names=_list_cannot_be_names)
        for what in ("MODEL", "MODELS", "LANGUAGE MODEL", "LANGUAGE MODELS", "TABLE", "TABLES", "THANOSQL")
    ),
    *(
        Syntax(keywords=f"{verb} MODEL", read=Describe.read, stands_as_query=True, also_requires=_names_a_model)
        for verb in ("DESCRIBE", "DESC")
    ),
    *(
        Syntax(keywords=f"{verb} LANGUAGE MODEL", read=Describe.read, stands_as_query=True)
        for verb in ("DESCRIBE", "DESC")
    ),
    Syntax(keywords="GET THANOSQL", read=_read_get, cannot_be_names=_get_cannot_be_names),
    Syntax(keywords="UPLOAD MODEL", read=Upload.read, cannot_be_names=_upload_cannot_be_names),
    Syntax(keywords="DELETE MODEL", read=Delete.read, cannot_be_names=_delete_cannot_be_names),
    Syntax(keywords="DROP MODEL", read=Delete.read, cannot_be_names=_delete_cannot_be_names),
    Syntax(keywords="DELETE LANGUAGE MODEL", read=Delete.read),
    Syntax(keywords="DROP LANGUAGE MODEL", read=Delete.read),
)
