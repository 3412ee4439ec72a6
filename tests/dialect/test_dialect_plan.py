"""What `plan` and `parse` tell the connection about a text."""

from __future__ import annotations

import pytest

from thano_duckdb.dialect import (
    Build,
    Copy,
    Evaluate,
    Fit,
    ListAll,
    Predict,
    QueryNode,
    parse,
    plan,
    rewrite,
    split_statements,
)
from thano_duckdb.option import StatementKind
from thano_duckdb.options import OPTIONS


@pytest.mark.parametrize(
    "sql",
    [
        "",
        " \n;; -- nothing",
        "SELECT 1",
        "SELECT 'PREDICT USING m AS SELECT 1'",
        "/* PREDICT USING m AS /* LIST MODEL */ */ SELECT $$;LIST MODEL;$$, E'\\';LIST MODEL'",
        'SELECT "predict" FROM "list" AS "model"',
        "SELECT predict, build, model, options, list, get, print, copy, fit FROM build model",
        "SELECT predict(x), list(model), build.fit FROM predict USING SAMPLE 10",
        "SELECT * FROM t predict JOIN u evaluate USING (id)",
        "SELECT * FROM t AS predict USING SAMPLE 10 ROWS",
        "DELETE FROM predict USING t WHERE true",
        "INSERT INTO list TABLE model",
        "INSERT INTO t PIVOT x ON predict USING sum(y)",
        "CREATE TABLE t(list model)",
        "CREATE TABLE options(list model)",
        "CREATE TABLE t(print audio AS (x + 1), search audio USING COMPRESSION rle, build model)",
        "SELECT x::UNION(list model)",
        "FROM (delete model)",
        "FROM (upload model)",
        "FROM (build model)",
        "FROM (fit model JOIN t USING (x))",
        "FROM (get thanosql)",
        "FROM (print audio), (print image)",
        "FROM (search audio JOIN t USING (x))",
        "FROM (copy AS options) x",
        "WITH predict AS (SELECT 1), evaluate(build) AS (SELECT 2) FROM predict USING SAMPLE 10",
        "COPY t FROM 'x.csv'",
        'COPY t FROM "x.csv"',
        "COPY options FROM 'x.csv' (FORMAT csv)",
        "COPY (SELECT 1) TO 'options'",
        "PREDICT m AS SELECT 1",
        "SHOW MODELS",
        "DESCRIBE models",
        "DESCRIBE model",
        "FROM (DESC model) AS t",
        "DESCRIBE model.t",
        "DROP TABLE model",
        "CREATE TABLE t(list models, drops model)",
        "SELECT 'unclosed; PREDICT USING m AS SELECT 1",
        "SELECT ((1; SELECT 2)))",
    ],
)
def test_text_without_a_statement_of_ours_comes_back_unchanged(sql: str) -> None:
    result = plan(sql)
    assert result.sql is sql
    assert result.is_plain
    assert not result.runs_now


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u3000", "\u200b", "\ufeff"])
def test_spaces_that_only_duckdbs_parser_takes_are_spaces(space: str) -> None:
    sql = f"{space}PREDICT{space}USING{space}m{space}AS SELECT 'a{space}b' AS audio_path"
    [statement] = parse(sql)
    assert isinstance(statement, Predict)
    assert statement.model.text == "m"
    assert statement.query_text == f"SELECT 'a{space}b' AS audio_path"


def test_nodes_say_where_they_are_written() -> None:
    sql = "SELECT 'é'; PREDICT USING \"hf://a/b\" OPTIONS (audio_col='x') AS SELECT * FROM (LIST MODEL); LIST TABLE"
    predict, models, tables = parse(sql)
    assert isinstance(predict, Predict)
    assert predict.span.of(sql) == sql[12:-12]
    assert predict.keyword.of(sql) == "PREDICT USING"
    assert predict.model.span.of(sql) == '"hf://a/b"'
    assert predict.query.of(sql) == predict.query_text == "SELECT * FROM (LIST MODEL)"
    given = predict.options.find("audio_col")
    assert given is not None
    assert (given.name_span.of(sql), given.span.of(sql)) == ("audio_col", "'x'")
    assert isinstance(models, ListAll)
    assert (models.what, models.span.of(sql)) == ("MODEL", "LIST MODEL")
    assert isinstance(tables, ListAll)
    assert (tables.what, tables.span.of(sql)) == ("TABLE", "LIST TABLE")


def test_training_statements_keep_every_option() -> None:
    sql = """
        WITH a AS (FROM t)
        BUILD MODEL mine USING Wav2Vec2TinyEn OPTIONS (
            audio_col=clip, text_col=said, max_epochs=30, batch_size=4, learning_rate=1e-3, validation_split=.1,
            seed=7, warmup_ratio=0, freeze_feature_encoder=False, mask_time_prob=0.0, from_scratch=true,
            gradient_accumulation=2, resume=False, overwrite=True, on_error='fail', device=cpu, precision=float32,
        ) AS SELECT * FROM (PREDICT USING m AS FROM a);
        FIT MODEL mine2 USING mine@3 AS FROM t;
        EVALUATE USING mine OPTIONS (by='speaker') AS FROM t
    """
    build, predict, fit, evaluate = parse(sql)
    assert isinstance(build, Build)
    assert (build.name.text, build.model.text) == ("mine", "Wav2Vec2TinyEn")
    assert build.query_text == "SELECT * FROM (PREDICT USING m AS FROM a)"
    assert {given.option.name: given.value for given in build.options.given} == {
        "audio_col": "clip",
        "text_col": "said",
        "epochs": 30,
        "batch_size": 4,
        "learning_rate": 1e-3,
        "validation_split": 0.1,
        "seed": 7,
        "warmup_ratio": 0.0,
        "freeze_feature_encoder": False,
        "mask_time_prob": 0.0,
        "from_scratch": True,
        "gradient_accumulation": 2,
        "resume": False,
        "overwrite": True,
        "on_error": "fail",
        "device": "cpu",
        "precision": "float32",
    }
    assert isinstance(predict, Predict)
    assert isinstance(fit, Fit)
    assert (fit.name.text, fit.model.text, fit.options["epochs"]) == ("mine2", "mine@3", None)
    assert isinstance(evaluate, Evaluate)
    assert (evaluate.options["by"], evaluate.options["text_col"]) == (["speaker"], "text")


@pytest.mark.parametrize(
    ("sql", "runs_now"),
    [
        ("PREDICT USING m AS SELECT 1", False),
        ("EVALUATE USING m AS SELECT 1", False),
        ("PRINT AUDIO AS SELECT 1", False),
        ("LIST MODEL", False),
        ("BUILD MODEL m USING b AS SELECT 1", True),
        ("FIT MODEL m USING b AS SELECT 1", True),
        ("UPLOAD MODEL m FROM 'x'", True),
        ("DELETE MODEL m", True),
        ("GET THANOSQL MODEL m", True),
        ("GET THANOSQL DATASET d", True),
    ],
)
def test_what_has_an_effect_runs_once(sql: str, runs_now: bool) -> None:
    [statement] = parse(sql)
    assert statement.runs_now is runs_now


def test_a_plan_runs_now_when_one_of_its_statements_does() -> None:
    assert plan("LIST MODEL; DELETE MODEL m").runs_now
    assert not plan("LIST MODEL; PREDICT USING m AS FROM t").runs_now


def test_options_without_effect_give_a_warning_with_their_position() -> None:
    sql = (
        "SELECT 1;\nPREDICT USING m OPTIONS (text_col='text',\n  max_epochs=1, overwrite=True, batch_size=2) AS FROM t"
    )
    assert plan(sql).warnings == (
        "PREDICT ignores the option 'text_col' (line 2, column 26)",
        "PREDICT ignores the option 'epochs' (line 3, column 3)",
        "PREDICT ignores the option 'overwrite' (line 3, column 17)",
    )
    assert plan("PREDICT USING m OPTIONS (batch_size=1) AS FROM t").warnings == ()


def test_options_without_effect_are_still_checked() -> None:
    with pytest.raises(Exception, match="whole number"):
        plan("PREDICT USING m OPTIONS (epochs=many) AS FROM t")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1),
        ("+1", 1),
        ("1_000", 1000),
        ("NULL", None),
        ("none", None),
    ],
)
def test_whole_numbers(written: str, value: int | None) -> None:
    [copy] = parse(f"PREDICT USING m OPTIONS (batch_size={written}) AS FROM t")
    assert copy.options["batch_size"] == value


@pytest.mark.parametrize(("written", "value"), [("1e-4", 1e-4), (".5", 0.5), ("5.", 5.0), ("1", 1.0), ("+1E2", 100.0)])
def test_numbers(written: str, value: float) -> None:
    [build] = parse(f"BUILD MODEL m USING b OPTIONS (learning_rate = {written}) AS FROM t")
    assert build.options["learning_rate"] == value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("word", "word"),
        ("'it''s'", "it's"),
        ('"it\'s"', "it's"),
        ('"a""b"', 'a"b'),
        (r"'C:\new\t'", r"C:\new\t"),
        ("text", "text"),
        ("'NULL'", "NULL"),
        ("한국어", "한국어"),
    ],
)
def test_texts(written: str, value: str) -> None:
    [predict] = parse(f"PREDICT USING m OPTIONS (audio_col={written}) AS FROM t")
    assert predict.options["audio_col"] == value


def test_copy_keeps_the_tables_name_as_written() -> None:
    [copy] = parse('COPY Db . s."my "" t" OPTIONS () FROM \'x.csv\'')
    assert isinstance(copy, Copy)
    assert copy.table.text == 'Db.s."my "" t"'


def test_the_table_of_options_is_consistent() -> None:
    names = [
        (name, statement)
        for option in OPTIONS
        for name in (option.name, *option.spellings)
        for statement in option.used_by | option.ignored_by
    ]
    assert len(names) == len(set(names))
    for option in OPTIONS:
        assert option.default is None or option.accept(option.default) == option.default
        assert not option.used_by & option.ignored_by
        assert option.used_by <= set(StatementKind)


def test_a_thousand_nested_predictions() -> None:
    inner = "SELECT * FROM t"
    for _ in range(1000):
        inner = f"PREDICT USING m AS SELECT * FROM ({inner})"
    statements = parse(inner)
    assert len(statements) == 1000
    assert all(isinstance(statement, QueryNode) for statement in statements)
    sql = rewrite(inner)
    assert sql.count("thano_transcribe") == sql.count(") AS _thano_rows") == 1000
    assert sql.count("(") == sql.count(")")


def test_a_long_script() -> None:
    one = "PREDICT USING m OPTIONS (epochs=1) AS SELECT 'é' FROM t; SELECT list(model) FROM predict;\n"
    result = plan(one * 3000)
    assert len(result.statements) == len(result.warnings) == 3000
    assert result.warnings[-1].endswith("(line 3000, column 26)")
    assert result.sql == rewrite(one) * 3000


def test_a_script_is_split_at_its_semicolons() -> None:
    script = """
        -- first; of all
        SELECT ';', $$;$$ /* ; */, E'\\';' ; ;
        PREDICT USING m AS SELECT * FROM t -- no; more
        ; /* nothing; here */ ;
        LIST MODEL"""
    assert split_statements(script) == [
        "SELECT ';', $$;$$ /* ; */, E'\\';'",
        "PREDICT USING m AS SELECT * FROM t",
        "LIST MODEL",
    ]
    assert split_statements(" -- nothing\n;;") == []
