"""An option has one meaning, whether it is given in a statement, in a call, to `connect` or to the shell."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest

import thano_duckdb
from thano_duckdb import DialectError, ThanoError
from thano_duckdb.cli import shell
from thano_duckdb.connection import Settings
from thano_duckdb.dialect import rewrite
from thano_duckdb.option import Option, StatementKind, Value, ValueKind
from thano_duckdb.options import OPTIONS, find_option
from thano_duckdb.speech.device import PRECISIONS
from thano_duckdb.training.training_options import TrainingOptions

STATEMENTS = {
    StatementKind.PREDICT: "PREDICT USING nobody OPTIONS ({}) AS FROM clips",
    StatementKind.EVALUATE: "EVALUATE USING nobody OPTIONS ({}) AS FROM clips",
    StatementKind.BUILD: "BUILD MODEL new USING nobody OPTIONS ({}) AS FROM clips",
    StatementKind.FIT: "FIT MODEL new USING nobody OPTIONS ({}) AS FROM clips",
    StatementKind.BUILD_LANGUAGE_MODEL: "BUILD LANGUAGE MODEL new OPTIONS ({}) AS FROM nothing",
    StatementKind.UPLOAD_LANGUAGE_MODEL: "UPLOAD LANGUAGE MODEL new OPTIONS ({}) FROM 'nowhere'",
    StatementKind.PRINT_AUDIO: "PRINT AUDIO OPTIONS ({}) AS FROM clips",
    StatementKind.COPY: "COPY t OPTIONS ({}) FROM 'clips.csv'",
    StatementKind.GET_MODEL: "GET THANOSQL MODEL nobody OPTIONS ({})",
    StatementKind.GET_DATASET: "GET THANOSQL DATASET nothing OPTIONS ({})",
    StatementKind.UPLOAD: "UPLOAD MODEL new OPTIONS ({}) FROM 'nowhere'",
}
CALLS = {
    StatementKind.PREDICT: (
        "SELECT thano_transcribe('nobody', audio_path, {}) FROM clips",
        "SELECT * FROM thano_predict('nobody', 'clips', options := {})",
    ),
    StatementKind.EVALUATE: ("SELECT * FROM thano_evaluate('nobody', 'clips', options := {})",),
    StatementKind.BUILD: ("SELECT thano_build('new', 'nobody', {}, {{'audio': audio_path, 'text': text}}) FROM clips",),
    StatementKind.BUILD_LANGUAGE_MODEL: (
        "SELECT thano_build_language_model('new', {}, text) FROM (FROM clips WHERE text = '')",
    ),
    StatementKind.UPLOAD_LANGUAGE_MODEL: ("SELECT * FROM thano_upload_language_model('new', 'nowhere', {})",),
    StatementKind.PRINT_AUDIO: ("SELECT thano_audio_info(audio_path, {}) FROM clips",),
    StatementKind.GET_MODEL: ("SELECT * FROM thano_get_model('nobody', {})",),
    StatementKind.GET_DATASET: ("SELECT * FROM thano_get_dataset('nothing', {})",),
    StatementKind.UPLOAD: ("SELECT * FROM thano_upload_model('new', 'nowhere', {})",),
}
"""They name models and files that do not exist, so that options which are accepted give an error about these."""


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[thano_duckdb.Connection]:
    with thano_duckdb.connect(model_home=tmp_path_factory.mktemp("models")) as connection:
        connection.execute("CREATE TABLE clips AS SELECT 'a.wav' AS audio_path, 'a' AS text")
        yield connection


def values(option: Option) -> list[Value]:
    """Values of all kinds, those at the bounds of the option and its choices in upper and lower case among them."""
    bounds = (option.at_least, option.above, option.at_most, option.below)
    numbers: list[Value] = [n + step for n in bounds if n is not None for step in (-1, 0, 1)]
    choices: list[Value] = [text for choice in option.choices for text in (choice, choice.upper())]
    return [*numbers, *choices, None, True, 0.5, 3_000_000_000, "gpu", "cuda:7", "int8", "nonsense", "", ["error"]]


def answer(option: Option, value: Value) -> str | None:
    """What the table says: None, or why the value is refused."""
    try:
        if value is not None:
            option.accept(value)
    except ThanoError as error:
        return str(error)
    return None


def answer_of(run: Callable[[], object]) -> str | None:
    """The refusal of an option; None where nothing is refused, or something else."""
    try:
        run()
    except ThanoError as error:
        problem = error.problem if isinstance(error, DialectError) else str(error)
        return problem if problem.startswith("The option") else None
    return None


def in_dialect(value: Value) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(in_dialect, value))}]"
    return f"'{value}'" if isinstance(value, str) else str(value)


def in_json(name: str, value: Value) -> str:
    return "'" + json.dumps({name: value}) + "'"


GIVEN = [
    pytest.param(statement, option, spelling, id=f"{statement}-{spelling}")
    for option in OPTIONS
    for statement in StatementKind
    if statement in option.used_by | option.ignored_by
    for spelling in (option.name, *option.spellings)
]


@pytest.mark.parametrize(("statement", "option", "spelling"), GIVEN)
def test_a_statement_and_its_function_take_the_same_values(
    con: thano_duckdb.Connection, statement: StatementKind, option: Option, spelling: str
) -> None:
    for value in values(option):
        expected = answer(option, value)
        text = STATEMENTS[statement].format(f"{spelling.upper()} = {in_dialect(value)}")
        assert answer_of(lambda text=text: rewrite(text)) == expected, text  # type: ignore[misc]
        if not option.goes_to_function or statement in option.ignored_by:
            continue
        for call in CALLS.get(statement, ()):
            text = call.format(in_json(spelling, value))
            assert answer_of(lambda text=text: con.execute(text).fetchall()) == expected, text  # type: ignore[misc]


@pytest.mark.parametrize(
    ("statement", "call"), [(statement, call) for statement, calls in CALLS.items() for call in calls]
)
def test_a_call_names_the_nearest_option(con: thano_duckdb.Connection, statement: StatementKind, call: str) -> None:
    known = next(o.name for o in OPTIONS if o.goes_to_function and statement in o.used_by)
    with pytest.raises(ThanoError, match=rf"^thano_\w+ has no option '{known}x'. Did you mean '{known}'\?$"):
        con.execute(call.format(in_json(f"{known}x", 1))).fetchall()


@pytest.mark.parametrize("name", ["device", "precision", "max_bytes", "max_duration", "timeout"])
def test_connect_load_and_the_shell_take_what_predict_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    option = find_option(StatementKind.PREDICT, name)
    for value in values(option):
        if value is None:
            continue
        keyword: dict[str, Any] = {name: value}
        expected = answer(option, value)
        assert answer_of(lambda: Settings(**keyword)) == expected  # noqa: B023
    keyword = {name: "gpu"}
    refusal = answer(option, "gpu")
    assert answer_of(lambda: thano_duckdb.connect(**keyword)) == refusal is not None
    with duckdb.connect() as plain:
        assert answer_of(lambda: thano_duckdb.load(plain, **keyword)) == refusal
    if name == "device":
        with pytest.raises(SystemExit):
            shell.main(["--device", "gpu"])
        assert str(refusal) in capsys.readouterr().err
        assert shell.main(["--device", "CPU", "-c", "SELECT 1"]) == 0


def test_values_are_kept_in_one_spelling() -> None:
    settings = Settings(device="CUDA:7", precision="BFloat16")
    assert (settings.device, settings.precision) == ("cuda:7", "bfloat16")
    options = TrainingOptions(on_error="FAIL", learning_rate=1)
    assert (options.on_error, type(options.learning_rate)) == ("fail", float)


def test_a_build_is_refused_where_the_connection_computes_in_int8() -> None:
    with thano_duckdb.connect(precision="int8") as con:
        con.execute("CREATE TABLE clips AS SELECT 'a.wav' AS audio_path, 'a' AS text")
        build = "BUILD MODEL new USING nobody {} AS FROM clips"
        with pytest.raises(ThanoError, match="training needs floating point"):
            con.execute(build.format(""))
        with pytest.raises(ThanoError, match="there is no model 'nobody'"):
            con.execute(build.format("OPTIONS (precision='auto')"))


def test_defaults_are_those_of_the_table() -> None:
    build = {
        option.name: option.default
        for option in OPTIONS
        if StatementKind.BUILD in option.used_by and option.kind is not ValueKind.COLUMN
    }
    assert {field.name: field.default for field in dataclasses.fields(TrainingOptions)} == build
    for function in (thano_duckdb.connect, thano_duckdb.load, Settings):
        parameters = inspect.signature(function).parameters
        for name in ("device", "precision", "max_bytes", "max_duration", "timeout"):
            assert parameters[name].default == find_option(StatementKind.PREDICT, name).default


def test_the_engine_computes_in_every_precision_of_the_table() -> None:
    assert find_option(StatementKind.PREDICT, "precision").choices == ("auto", *PRECISIONS)
