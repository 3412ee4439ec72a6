"""Text that is not well formed is refused in one sentence that points at the mistake: `@@` marks where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from thano_duckdb.dialect import plan, rewrite, rewrite_to_find_tables, split_statements
from thano_duckdb.errors import DialectError

ERRORS = [
    # What is no text
    ("SELECT '@@\udce9'", "The text holds U+DCE9, which is no character"),
    ("@@\ud800 PREDICT USING m AS SELECT 1", "is no character"),
    ("LIST MODEL;\nSELECT 1 AS é, '@@\ud800'", "in place of a byte that is not UTF-8"),
    # What is missing
    ("PREDICT USING@@", "A model is missing after USING"),
    ("PREDICT USING @@AS SELECT 1", "A model is missing after USING"),
    ("PREDICT USING @@OPTIONS (batch_size=1) AS SELECT 1", "A model is missing after USING"),
    ("PREDICT USING m@@", "OPTIONS (..) or AS and a query"),
    ("PREDICT USING m@@; SELECT 1", "not the end of the statement"),
    ("PREDICT USING m @@SELECT 1", "AS is missing before the query of PREDICT"),
    ("PREDICT USING m OPTIONS (batch_size=1)\n  @@FROM t", "AS is missing before the query of PREDICT"),
    ("PREDICT USING m AS@@", "The query of PREDICT is missing"),
    ("SELECT * FROM (PREDICT USING m AS@@)", "The query of PREDICT is missing"),
    (
        "PREDICT USING m AS @@librispeech_test",
        "'librispeech_test' does not begin one. For a whole table write FROM table",
    ),
    ("PREDICT USING m AS @@DELETE FROM t", "'DELETE' does not begin one"),
    ("BUILD MODEL @@USING b AS SELECT 1", "The model's name is missing after BUILD MODEL"),
    ("BUILD MODEL m @@AS SELECT 1", "BUILD MODEL name is followed by USING and a model, not 'AS'"),
    ("FIT MODEL m@@", "FIT MODEL name is followed by USING"),
    ("DELETE MODEL@@", "The model's name is missing after DELETE MODEL"),
    ("UPLOAD MODEL m@@", "followed by FROM and the model's folder"),
    ("UPLOAD MODEL m FROM @@folder", "The folder is written in quotes"),
    ("UPLOAD MODEL m FROM @@''", "The folder is empty"),
    ("COPY t OPTIONS () @@'x.csv'", "followed by FROM and a file"),
    ("COPY t OPTIONS () FROM @@x.csv", "The file is written in quotes"),
    ("COPY t OPTIONS @@FROM 'x'", "OPTIONS is followed by ("),
    ("GET THANOSQL @@wav2vec2", "GET THANOSQL is followed by MODEL or DATASET, not 'wav2vec2'"),
    ("LIST THANOSQL @@TABLES", "LIST THANOSQL is followed by MODEL or DATASET"),
    # What is said too much, or in other words
    ("PREDICT USING @@MODEL 'x' AS SELECT 1", "MODEL is not written here: write USING 'x', without MODEL"),
    ("EVALUATE USING @@model m@2 OPTIONS (by='a') AS SELECT 1", "write USING m@2, without MODEL"),
    ("BUILD MODEL m USING @@MODEL 'x' AS SELECT 1", "write USING 'x', without MODEL"),
    ("PREDICT USING m OPTIONS (batch_size=1) @@OPTIONS (batch_size=1) AS SELECT 1", "OPTIONS is given twice"),
    ("UPLOAD MODEL m OPTIONS () @@OPTIONS () FROM 'x'", "OPTIONS is given twice"),
    ("COPY t OPTIONS () @@OPTIONS () FROM 'x'", "OPTIONS is given twice"),
    (
        "BUILD MODEL m USING b OPTIONS (MAX_EPOCHS=1, @@epochs=2) AS SELECT 1",
        "is another name of 'epochs'",
    ),
    ("PREDICT USING m @@WITH (batch_size=1) AS SELECT 1", "WITH does not give options. Did you mean OPTIONS (..)?"),
    ("UPLOAD MODEL m @@WITH (overwrite=True) FROM 'x'", "Did you mean OPTIONS (..)?"),
    ("PREDICT USING m @@(batch_size=1) AS SELECT 1", "OPTIONS is missing before the options of PREDICT"),
    # What is never closed, or closes nothing
    ("PREDICT USING m OPTIONS @@(batch_size=1", "This ( is never closed"),
    ("PREDICT USING m OPTIONS (include=@@['words'", "This [ is never closed"),
    ("PREDICT USING m OPTIONS (batch_size=1 @@AS SELECT 1", "a comma or ), not 'AS'"),
    ("PREDICT USING m AS @@(SELECT 1", "This ( is never closed"),
    ("PREDICT USING m AS SELECT f@@(1, (2) ; SELECT 3", "This ( is never closed"),
    ("SELECT * FROM @@(PREDICT USING m AS SELECT 1", "This ( is never closed"),
    ("PREDICT USING m AS SELECT 1@@)", "This ) has no ( before it"),
    ("PREDICT USING m AS SELECT @@'abc", "This string is never closed"),
    ("PREDICT USING m OPTIONS (audio_col=@@'abc) AS SELECT 1", "This string is never closed"),
    ('PREDICT USING @@"abc AS SELECT 1', "This name is never closed"),
    ("PREDICT USING m AS SELECT 1 @@/* /* */ abc", "This comment is never closed"),
    ("PREDICT USING m @@/* AS SELECT 1", "This comment is never closed"),
    ("PREDICT USING m AS SELECT @@$$abc", "This string is never closed"),
    # Options
    (
        "PREDICT USING m OPTIONS (@@audio_cool='x') AS SELECT 1",
        "PREDICT has no option 'audio_cool'. Did you mean 'audio_col'?",
    ),
    ("BUILD MODEL m USING b OPTIONS (@@max_epoch=1) AS SELECT 1", "Did you mean 'max_epochs'?"),
    (
        "PRINT AUDIO OPTIONS (@@epochs=1) AS SELECT 1",
        "PRINT AUDIO has no option 'epochs'. It takes audio_col, relative_to, start, stop, audio_track,",
    ),
    ("DELETE MODEL m OPTIONS (@@overwrite=True)", "DELETE MODEL has no option 'overwrite'. It takes none."),
    ("EVALUATE USING m OPTIONS (@@target_col='x') AS SELECT 1", "EVALUATE has no option 'target_col'"),
    ("PREDICT USING m OPTIONS (@@task='transcribe') AS SELECT 1", "belongs to Whisper models, which are not supported"),
    ("PREDICT USING m OPTIONS (@@task='translate') AS SELECT 1", "belongs to Whisper models, which are not supported"),
    ("PREDICT USING m OPTIONS (@@table_name='x') AS SELECT 1", "CREATE TABLE name AS"),
    ("PREDICT USING m OPTIONS (audio_col @@'x') AS SELECT 1", "The option 'audio_col' is followed by = and a value"),
    ("PREDICT USING m OPTIONS (batch_size@@=>1) AS SELECT 1", "The option 'batch_size' is followed by = and a value"),
    ("PREDICT USING m OPTIONS (audio_col=@@) AS SELECT 1", "The option 'audio_col' has no value"),
    ("PREDICT USING m OPTIONS (@@'audio_col'='x') AS SELECT 1", "is not the name of an option"),
    ("PREDICT USING m OPTIONS (@@, batch_size=1) AS SELECT 1", "is not the name of an option"),
    ("PREDICT USING m OPTIONS (batch_size=1 @@device='cpu') AS SELECT 1", "a comma or )"),
    (
        "PREDICT USING m OPTIONS (audio_col=src@@.path) AS SELECT 1",
        "put a value in quotes unless it is one number or one word, and double a quote within it ('O''Brien')",
    ),
    (
        "PREDICT USING m OPTIONS (batch_size=1, @@BATCH_SIZE=2) AS SELECT 1",
        "The option 'BATCH_SIZE' is given twice",
    ),
    (
        "BUILD MODEL m USING b OPTIONS (epochs=1, @@max_epochs=1) AS SELECT 1",
        "'max_epochs' is another name of 'epochs', which is given too",
    ),
    ("PREDICT USING m OPTIONS (batch_size=@@0) AS SELECT 1", "must be a whole number from 1 to 2147483647, not 0"),
    ("PREDICT USING m OPTIONS (batch_size=@@-1) AS SELECT 1", "must be a whole number from 1 to 2147483647, not -1"),
    ("PREDICT USING m OPTIONS (batch_size=@@8.5) AS SELECT 1", "must be a whole number from 1 to 2147483647, not 8.5"),
    ("PREDICT USING m OPTIONS (batch_size=@@'8') AS SELECT 1", "must be a whole number from 1 to 2147483647, not '8'"),
    (
        "PREDICT USING m OPTIONS (batch_size=@@True) AS SELECT 1",
        "must be a whole number from 1 to 2147483647, not True",
    ),
    ("PREDICT USING m OPTIONS (batch_size=@@[1]) AS SELECT 1", "must be a whole number from 1 to 2147483647, not [1]"),
    (
        "PREDICT USING m OPTIONS (batch_size=@@" + "9" * 5000 + ") AS SELECT 1",
        "must be a whole number from 1 to 2147483647",
    ),
    ("PREDICT USING m OPTIONS (start=@@'0:30') AS SELECT 1", "a number of seconds of at least 0, not '0:30'"),
    ("BUILD MODEL m USING b OPTIONS (learning_rate=@@0) AS SELECT 1", "must be a number above 0, not 0"),
    ("BUILD MODEL m USING b OPTIONS (learning_rate=@@1e999) AS SELECT 1", "must be a number above 0"),
    ("BUILD MODEL m USING b OPTIONS (validation_split=@@1) AS SELECT 1", "a number of at least 0 and below 1, not 1"),
    ("BUILD MODEL m USING b OPTIONS (warmup_ratio=@@1.5) AS SELECT 1", "must be a number from 0 to 1, not 1.5"),
    ("BUILD MODEL m USING b OPTIONS (seed=@@4294967296) AS SELECT 1", "a whole number from 0 to 4294967295, not 429"),
    (
        "BUILD MODEL m USING b OPTIONS (precision=@@'int8') AS SELECT 1",
        "must be one of 'auto', 'float32', 'bfloat16', 'float16', not 'int8': training needs floating point",
    ),
    ("FIT MODEL m USING b OPTIONS (device=@@'cuda:1') AS SELECT 1", "training takes the first GPU"),
    ("PREDICT USING m OPTIONS (device=@@gpu) AS SELECT 1", "not 'gpu': use 'cuda' for an NVIDIA GPU"),
    ("PREDICT USING m OPTIONS (device=@@'cuda:x') AS SELECT 1", "Did you mean 'cuda:N'?"),
    (
        "PREDICT USING m OPTIONS (device=@@'cuda:N') AS SELECT 1",
        "must be one of 'auto', 'cpu', 'openvino', 'cuda', 'cuda:N', 'mps'",
    ),
    ("COPY t OPTIONS (overwrite=@@'yes') FROM 'x.csv'", "must be True or False, not 'yes'"),
    ("COPY t OPTIONS (overwrite=@@1) FROM 'x.csv'", "must be True or False, not 1"),
    ("COPY t OPTIONS (if_exists=@@'replaced') FROM 'x.csv'", "Did you mean 'replace'?"),
    ("PREDICT USING m OPTIONS (audio_col=@@1) AS SELECT 1", "must be the name of a column of the query, not 1"),
    ("PREDICT USING m OPTIONS (audio_col=@@'') AS SELECT 1", "The option 'audio_col' must not be empty"),
    ("PREDICT USING m OPTIONS (result_col=@@'') AS SELECT 1", "The option 'result_col' must not be empty"),
    ("EVALUATE USING m OPTIONS (by=@@['sp', 'room', 'SP']) AS SELECT 1", "In the option 'by', 'SP' is given twice"),
    ("PREDICT USING m OPTIONS (include=@@['words', 'wrods']) AS SELECT 1", "Did you mean 'words'?"),
    ("PREDICT USING m OPTIONS (include=@@['words', Words]) AS SELECT 1", "'Words' is given twice"),
    ("PREDICT USING m OPTIONS (result_col='Error', include=@@error) AS SELECT 1", "name the same column"),
    ("PREDICT USING m OPTIONS (result_col='words', include=@@'all') AS SELECT 1", "name the same column"),
    ("UPLOAD MODEL m OPTIONS (framework=@@'tensorflow') FROM 'x'", "must be 'pytorch', not 'tensorflow'"),
    ("PREDICT USING m OPTIONS (batch_size=@@$1) AS SELECT 1", "takes a literal, not a parameter"),
    ("PREDICT USING m OPTIONS (batch_size=@@?) AS SELECT 1", "takes a literal, not a parameter"),
    ("PREDICT USING m OPTIONS (audio_col=@@E'a\\'b') AS SELECT 1", "a text in quotes"),
    ("PREDICT USING m OPTIONS (audio_col=@@(1)) AS SELECT 1", "a text in quotes"),
    ("PREDICT USING m OPTIONS (batch_size=@@-x) AS SELECT 1", "this is not a number"),
    ("COPY t OPTIONS (@@overwrite=True, if_exists='replace') FROM 'x.csv'", "give one of them"),
    ("PREDICT USING m @@OPTION (batch_size=1) AS SELECT 1", "Did you mean 'OPTIONS'?"),
    # Names
    ("PREDICT USING @@hf://owner/name AS SELECT 1", "a path or an address in quotes"),
    ("PREDICT USING @@./model AS SELECT 1", "a path or an address in quotes"),
    ("PREDICT USING @@m@two AS SELECT 1", "write name or name@2"),
    ("PREDICT USING @@m@2@3 AS SELECT 1", "write name or name@2"),
    ("PREDICT USING @@'' AS SELECT 1", "The model is empty"),
    ("PREDICT USING @@$model AS SELECT 1", "a parameter cannot follow USING"),
    ("PREDICT USING @@? AS SELECT 1", "a parameter cannot follow USING"),
    ("BUILD MODEL @@'a/b' USING c AS SELECT 1", "names are identifiers, not paths"),
    ("BUILD MODEL @@../b USING c AS SELECT 1", "names are identifiers, not paths"),
    ("BUILD MODEL @@m@2 USING c AS SELECT 1", "names are identifiers, not paths"),
    ("UPLOAD MODEL @@'.hidden' FROM 'x'", "names are identifiers, not paths"),
    ("DELETE MODEL @@'..'", "names are identifiers, not paths"),
    ("DESCRIBE MODEL @@a/b", "a path or an address in quotes"),
    ("DESCRIBE MODEL @@''", "The model is empty"),
    ("DESCRIBE LANGUAGE MODEL@@", "A model is missing after DESCRIBE LANGUAGE MODEL"),
    ("DESCRIBE MODEL m @@OPTIONS (epochs=1)", "Unexpected 'OPTIONS' after DESCRIBE MODEL m"),
    (f"DELETE MODEL @@{'a' * 101}", "up to 100 letters"),
    (f"BUILD MODEL @@{'a' * 101} USING c AS SELECT 1", "up to 100 letters"),
    ("GET THANOSQL MODEL m OPTIONS (model_name=@@'a b')", "names are identifiers, not paths"),
    ("COPY t OPTIONS () FROM @@$1", "a parameter cannot stand here"),
    # Files
    ("COPY t OPTIONS () FROM @@'x.pkl'", "A pickle can run code when it is read: export"),
    ("COPY t OPTIONS () FROM @@'x.XLSX'", "save the sheet as csv"),
    ("COPY t OPTIONS () FROM @@'x.docx'", "COPY does not read '.docx' files"),
    ("COPY t OPTIONS () FROM 'x.csv' @@(FORMAT csv)", "do not go together"),
    ("COPY t OPTIONS () @@TO 'x.csv'", "DuckDB's COPY table TO 'file'"),
    # What follows the end
    ("DELETE MODEL m @@n", "Unexpected 'n' at the end of the statement"),
    ("GET THANOSQL DATASET d @@AS SELECT 1", "Unexpected 'AS' at the end of the statement"),
    ("LIST MODEL @@WHERE name = 'x'", "SELECT .. FROM (LIST MODEL) .."),
    ("LIST THANOSQL MODEL @@OPTIONS (x=1)", "SELECT .. FROM (LIST THANOSQL MODEL) .."),
    # What stands alone
    ("SELECT * FROM (@@BUILD MODEL m USING b AS SELECT 1)", "BUILD MODEL stands alone"),
    ("CREATE TABLE t AS @@FIT MODEL m USING b AS SELECT 1", "FIT MODEL stands alone"),
    (
        "SELECT * FROM (@@PRINT AUDIO AS SELECT 1)",
        "another statement; in a query thano_audio_info(audio_path) gives the same",
    ),
    ("EXPLAIN @@COPY t OPTIONS () FROM 'x.csv'", "COPY stands alone"),
    ("WITH a AS (@@GET THANOSQL MODEL m) SELECT 1", "GET THANOSQL stands alone"),
    ("WITH a AS (SELECT 1) @@DELETE MODEL m", "DELETE MODEL stands alone"),
    ("SELECT 1 UNION ALL @@UPLOAD MODEL m FROM 'x'", "UPLOAD MODEL stands alone"),
    ("SELECT * FROM (@@DELETE MODEL m)", "DELETE MODEL stands alone"),
    ("PREDICT USING m AS SELECT * FROM (@@BUILD MODEL m USING b AS SELECT 1)", "BUILD MODEL stands alone"),
    # What is refused
    ("@@SEARCH AUDIO USING m OPTIONS (search_input='x', top_k=3) AS SELECT 1", "SEARCH AUDIO is not supported yet"),
    ("FROM (@@CONVERT USING m AS SELECT 1)", "CONVERT is not supported yet"),
    ("SELECT f(@@CONVERT USING m AS SELECT 1)", "CONVERT is not supported yet"),
    ("CREATE TABLE t AS @@CONVERT USING m AS SELECT 1", "CONVERT is not supported yet"),
    ("PREDICT USING m AS @@SEARCH AUDIO USING n AS SELECT 1", "SEARCH AUDIO is not supported yet"),
    ("FROM (@@SEARCH AUDIO USING m AS SELECT 1)", "SEARCH AUDIO is not supported yet"),
    ("@@SEARCH TEXT USING", "SEARCH TEXT is not supported: the models here transcribe speech"),
    ("FROM (@@PRINT IMAGE AS SELECT 1)", "PRINT IMAGE is not supported"),
    ("@@SEARCH IMAGE USING m AS SELECT 1", "SEARCH IMAGE is not supported"),
    ("@@PRINT IMAGE AS SELECT 1", "PRINT IMAGE is not supported"),
    ("@@PRINT VIDEO OPTIONS (video_col='x') AS SELECT 1", "PRINT VIDEO is not supported"),
    # Positions
    (
        "SELECT 'é\n''';\n-- 한국어\n\tPREDICT USING m OPTIONS (\r\n\t\t/* ü\n*/ @@x=1) AS SELECT 1",
        "no option 'x'",
    ),
    ("SELECT '한국어 é';\n\n/* ü */ PREDICT USING m OPTIONS (audio_col='é', @@x=1) AS SELECT 1", "no option 'x'"),
    ("SELECT 1; PREDICT USING m AS SELECT 2; PREDICT USING n @@FROM t", "AS is missing"),
]


@pytest.mark.parametrize(
    ("marked", "phrase"), ERRORS, ids=[f"{phrase[:30]}-{number}" for number, (_, phrase) in enumerate(ERRORS)]
)
def test_an_error_says_what_is_wrong_and_points_at_it(marked: str, phrase: str) -> None:
    before, _, after = marked.partition("@@")
    with pytest.raises(DialectError) as refusal:
        rewrite(before + after)
    error = refusal.value
    assert phrase in error.problem
    assert (error.line, error.column) == (before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    assert "\n" not in error.problem


@pytest.mark.parametrize("read", [rewrite, rewrite_to_find_tables, plan, split_statements])
@pytest.mark.parametrize("given", [None, 3, b"SELECT 1"])
def test_what_is_no_text_is_refused_in_one_sentence(read: Callable[[Any], object], given: object) -> None:
    with pytest.raises(TypeError, match=rf"^SQL is given as text \(str\), not as {type(given).__name__}$"):
        read(given)


@pytest.mark.parametrize("n_before", [0, 50, 199, 200, 201, 5_000])
@pytest.mark.parametrize("n_after", [0, 50, 200, 5_000])
def test_an_error_shows_a_part_of_a_long_line_with_its_caret_at_the_place(n_before: int, n_after: int) -> None:
    with pytest.raises(DialectError) as refusal:
        rewrite(f"/*{'x' * n_before}*/ PREDICT USING m OPTIONS (\tfoo=1) AS SELECT '{'y' * n_after}'")
    sentence, line, caret = str(refusal.value).split("\n")
    assert refusal.value.column == n_before + 32
    assert "no option 'foo'" in sentence
    assert len(line) <= 206
    assert line[len(caret) - 1 :].startswith("foo=1")
    assert caret[:-1].replace("\t", " ").isspace()
    assert line.startswith(("...", "/*x")) or not n_before
