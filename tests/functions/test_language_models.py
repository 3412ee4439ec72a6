"""BUILD and UPLOAD LANGUAGE MODEL, LIST, DELETE and `thano_perplexity` as a user types them."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import signal
import stat
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import thano_duckdb
from tests.language.kit import build, tutorial_sentences
from thano_duckdb import DialectError, ThanoError
from thano_duckdb.errors import ModelError, RegistryError
from thano_duckdb.functions import language_models
from thano_duckdb.language import ngram_counts, ngram_scorer
from thano_duckdb.speech.decoding import beam_library

COLUMNS = ["model", "version", "order", "sentences", "words", "vocabulary", "ngrams", "perplexity", "oov_rate"]
TINY_BINARY = Path(__file__).parents[1] / "language" / "tiny.kenlm"


@pytest.fixture
def con(tmp_path: Path) -> Iterator[thano_duckdb.Connection]:
    """A connection with the table `lines` of the hundred sentences of the tutorial, as people write them."""
    with thano_duckdb.connect(model_home=tmp_path / "home") as connection:
        connection.execute("CREATE TABLE lines AS SELECT unnest(?) AS text", [tutorial_sentences()])
        connection.execute("UPDATE lines SET text = upper(text[1]) || text[2:] || '.'")
        yield connection


def registered(con: thano_duckdb.Connection) -> list[Any]:
    rows: list[Any] = con.sql("SELECT name, version, kind FROM (LIST MODEL) ORDER BY ALL").fetchall()
    return rows


def test_build_returns_one_row_and_registers_a_language_model(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    result = con.sql("BUILD LANGUAGE MODEL mine OPTIONS (validation_split=0.2) AS FROM lines")
    assert result.columns == COLUMNS
    ((name, version, order, sentences, words, vocabulary, ngrams, perplexity, oov_rate),) = result.fetchall()
    assert result.fetchall()[0][:2] == ("mine", 1)  # read twice, built once
    assert (name, version, order) == ("mine", 1, 3)
    assert 60 < sentences < 95
    assert sentences < vocabulary < words
    assert ngrams > 2 * vocabulary
    assert 10 < perplexity < 1000
    assert 0 < oov_rate < 0.6
    assert registered(con) == [("mine", 1, "language model")]
    assert con.sql("SELECT name FROM (LIST LANGUAGE MODEL)").fetchall() == [("mine",)]
    with pytest.raises(RegistryError, match="overwrite"):
        con.execute("BUILD LANGUAGE MODEL mine AS FROM lines")
    con.execute("BUILD LANGUAGE MODEL MINE OPTIONS (overwrite=True, order=2) AS FROM lines")
    assert [row[1] for row in registered(con)] == [1, 2]


def test_all_rows_are_learned_from_however_many_vectors_they_come_in(con: thano_duckdb.Connection) -> None:
    query = "SELECT 'word ' || (i % 5000) || ' twice ' || i AS text FROM range(20_000) AS t (i)"
    build = f"BUILD LANGUAGE MODEL {{}} OPTIONS (prune=0, validation_split=0) AS {query} ORDER BY {{}}"
    one = con.execute(build.format("one", "i")).fetchall()
    other = con.execute(build.format("other", "hash(i)")).fetchall()
    assert one[0][3:] == other[0][3:] == (20_000, 80_000, 20_002, one[0][6], None, None)
    files = con.sql("SELECT path || '/language_model.arpa.gz' FROM (LIST MODEL)").fetchall()
    assert Path(files[0][0]).read_bytes() == Path(files[1][0]).read_bytes()


def test_the_held_out_sentences_are_not_learned_from_even_where_they_occur_twice(con: thano_duckdb.Connection) -> None:
    rows = con.sql(
        "BUILD LANGUAGE MODEL m OPTIONS (validation_split=0.5) AS "
        "SELECT format('{}only {}more', i // 2, i // 2) AS text FROM range(2000) AS t (i)"
    ).fetchall()
    assert rows[0][8] == 1.0  # no word of a held-out sentence is in any other


def test_a_column_of_another_type_is_cast_and_another_name_is_given_by_an_option(con: thano_duckdb.Connection) -> None:
    con.execute("BUILD LANGUAGE MODEL n AS SELECT i AS text FROM range(3) AS t (i)")
    con.execute("BUILD LANGUAGE MODEL e OPTIONS (text_col='mood') AS SELECT 'sad'::ENUM ('sad', 'ok') AS mood")
    assert con.sql("SELECT thano_perplexity('2', 'n') < thano_perplexity('7', 'n')").fetchall() == [(True,)]
    with pytest.raises(ThanoError, match="the text of a row must be text \\(VARCHAR\\), not a LIST"):
        con.execute("BUILD LANGUAGE MODEL l AS SELECT ['a'] AS text")
    with pytest.raises(DialectError, match="reads the column 'text', which its query does not have"):
        con.execute("BUILD LANGUAGE MODEL l AS SELECT 1 AS a")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("FROM lines WHERE false", "the query of BUILD LANGUAGE MODEL has no rows"),
        ("SELECT NULL::VARCHAR AS text", "no row of the query has a text of which any word is left"),
        ("SELECT unnest(['', '...', ' !? ']) AS text", "no row of the query has a text of which any word is left"),
    ],
)
def test_without_text_there_is_nothing_to_learn_from(con: thano_duckdb.Connection, query: str, sentence: str) -> None:
    with pytest.raises(ThanoError, match=sentence):
        con.execute(f"BUILD LANGUAGE MODEL none AS {query}")
    assert registered(con) == []


def test_a_query_that_fails_leaves_nothing_for_the_next_build(con: thano_duckdb.Connection) -> None:
    con.execute("CREATE TABLE many AS SELECT i, 'wrong ' || i AS text FROM range(10_000) AS t (i)")
    failing = "SELECT CASE WHEN i = 9999 THEN error('stop') ELSE text END AS text FROM many"
    for plain in (False, True):
        target: Any = thano_duckdb.load(con.raw.cursor(), model_home=con._session.settings.model_home) if plain else con
        run = (
            "SELECT unnest(thano_build_language_model('m{}', '{{}}', text), recursive := true) FROM ({})"
            if plain
            else "BUILD LANGUAGE MODEL m{} AS {}"
        )
        with pytest.raises(duckdb.Error, match="stop"):
            target.execute(run.format(plain, failing)).fetchall()
        rows = target.execute(run.format(plain, "SELECT unnest(['a b', 'b a']) AS text")).fetchall()
        assert rows[0][3:6] == (2, 4, 2)


def test_two_builds_in_one_text_do_not_mix(con: thano_duckdb.Connection) -> None:
    con.execute("BUILD LANGUAGE MODEL a AS SELECT 'one' AS text; BUILD LANGUAGE MODEL b AS SELECT 'one two' AS text")
    path = {name: Path(path) for name, path in con.sql("SELECT name, path FROM (LIST MODEL)").fetchall()}
    n_words = [json.loads((path[name] / "thano.json").read_text())["lineage"]["figures"]["words"] for name in "ab"]
    assert n_words == [1, 2]


@pytest.mark.parametrize("is_plain", [False, True])
@pytest.mark.parametrize(
    "query",
    [
        "SELECT thano_build_language_model('m' || g, '{}', t) FROM calls GROUP BY g",
        "SELECT thano_build_language_model('m', '{}', t) FROM calls GROUP BY g",
        "SELECT thano_build_language_model('m', '{}', t) OVER () FROM calls",
        "SELECT thano_build_language_model('m', '{}', t), thano_build_language_model('n', '{}', t) FROM calls",
    ],
)
def test_a_call_that_would_mix_texts_publishes_nothing(
    con: thano_duckdb.Connection, query: str, is_plain: bool
) -> None:
    con.execute("CREATE TABLE calls AS SELECT 'word ' || i AS t, i % 2 AS g FROM range(5000) AS s (i)")
    target: Any = thano_duckdb.load(con.raw.cursor(), model_home=con._session.settings.model_home) if is_plain else con
    with pytest.raises((duckdb.Error, ThanoError), match=r"would be mixed|more often than|exactly one aggregate"):
        target.execute(query).fetchall()
    assert registered(con) == []
    target.execute("SELECT thano_build_language_model('m', '{}', t) FROM calls WHERE g = 1").fetchall()
    assert registered(con) == [("m", 1, "language model")]


def test_the_lineage_is_private_and_without_secrets(con: thano_duckdb.Connection) -> None:
    con.execute("BUILD LANGUAGE MODEL m OPTIONS (order=2) AS SELECT text FROM lines WHERE text <> 'https://u:pw@host/'")
    ((path,),) = con.sql("SELECT path FROM (LIST MODEL)").fetchall()
    file = Path(path) / "thano.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lineage = json.loads(file.read_text())["lineage"]
    assert lineage["options"]["order"] == 2
    assert lineage["sql"].startswith("BUILD LANGUAGE MODEL m")
    assert "pw" not in lineage["sql"]


def test_ctrl_c_stops_a_build_and_publishes_nothing(
    con: thano_duckdb.Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started = threading.Event()
    hash_forever = "SELECT count(*) FROM range(1_000_000_000_000) AS t (i) WHERE hash(i) = 1"

    def count(store: ngram_counts.TextStore, _order: int) -> None:
        started.set()
        store.connection.execute(hash_forever)

    monkeypatch.setattr("thano_duckdb.language.build_language_model.count_ngrams", count)

    def press() -> None:
        if started.wait(60):
            os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt, match="no language model was published"):
        con.execute("BUILD LANGUAGE MODEL m AS FROM lines")
    presser.join()
    assert registered(con) == []
    monkeypatch.undo()
    con.execute("BUILD LANGUAGE MODEL m AS FROM lines")


def test_the_temporary_folder_of_a_build_is_removed(
    con: thano_duckdb.Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    con.execute("BUILD LANGUAGE MODEL m AS FROM lines")
    with pytest.raises(duckdb.Error, match="stop"):
        con.execute(
            "BUILD LANGUAGE MODEL n AS SELECT CASE WHEN text > 'T' THEN error('stop') ELSE text END AS text FROM lines"
        )
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "there is no space left for a model in .*home; its models are unharmed"),
        (errno.EFBIG, "a file of a model in .*home would be larger than this process or its disk allows"),
    ],
)
def test_a_home_that_takes_no_more_is_one_sentence(
    con: thano_duckdb.Connection, number: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = build(tmp_path / "made", tutorial_sentences())

    def full(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("thano_duckdb.language.build_language_model.write_arpa", full)
    monkeypatch.setattr("shutil.copyfile", full)
    for statement in ("BUILD LANGUAGE MODEL m AS FROM lines", f"UPLOAD LANGUAGE MODEL m FROM '{path}'"):
        with pytest.raises(RegistryError, match=sentence):
            con.execute(statement)
    assert registered(con) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits of this kind")
def test_a_temporary_folder_that_takes_no_more_is_one_sentence(
    con: thano_duckdb.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    monkeypatch.setattr(ngram_counts, "MEMORY_LIMIT", "20MB")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(ThanoError, match=r"do not fit into the temporary folder .*thano-ngrams-.*; set TMPDIR"):
            con.execute(
                "BUILD LANGUAGE MODEL m AS SELECT 'w' || (i % 5000) || ' and' || i AS text FROM range(200_000) AS t (i)"
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert registered(con) == []


# Upload, list, delete


def test_upload_takes_an_arpa_file_or_a_kenlm_binary(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    path, _ = build(tmp_path / "made", tutorial_sentences())
    (path.parent / "attrs.json").write_text('{"alpha": 0.5, "beta": 1.5}')
    con.execute(f"UPLOAD LANGUAGE MODEL arpa FROM '{path}'")
    con.execute(f"UPLOAD LANGUAGE MODEL binary FROM '{TINY_BINARY}'")
    assert registered(con) == [("arpa", 1, "language model"), ("binary", 1, "language model")]
    ((folder,),) = con.sql("SELECT path FROM (LIST MODEL) WHERE name = 'arpa'").fetchall()
    assert sorted(each.name for each in Path(folder).iterdir()) == [
        "attrs.json",
        "language_model.arpa.gz",
        "thano.json",
    ]
    text = tutorial_sentences()[0]
    ((ours, theirs),) = con.sql(
        f"SELECT thano_perplexity('{text}', 'arpa'), thano_perplexity('{text}', '{path}')"
    ).fetchall()
    assert ours == theirs


def test_upload_refuses_what_is_damaged(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    path = tmp_path / "m.arpa"
    path.write_text("\\data\\\nngram 1=1\nngram 2=0\n\n\\1-grams:\nx\ta\n\n\\2-grams:\n\n\\end\\\n")
    with pytest.raises(ModelError, match=r"m\.arpa is damaged: among its 1-grams is a number that is none"):
        con.execute(f"UPLOAD LANGUAGE MODEL m FROM '{path}'")
    path.write_text("\\data\\\nngram 1=1\n\n\\1-grams:\n-1\ta\n\n\\end\\\n")
    with pytest.raises(ModelError, match="has only single words"):
        con.execute(f"UPLOAD LANGUAGE MODEL m FROM '{path}'")
    with pytest.raises(ModelError, match="there is no language model"):
        con.execute("UPLOAD LANGUAGE MODEL m FROM 'nothing.arpa'")
    assert registered(con) == []


@pytest.mark.skipif(bool(beam_library.problem()), reason=str(beam_library.problem()))
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("-0.5\tcat \t-0.1\n", "cannot be loaded: 'Expected tab or newline for backoff in the 1-gram at byte"),
        ("-0.5\tcat\t1e30\n", "is damaged: '-0.5 cat 1e30' has a backoff weight that no model has"),
        ("-0.5\tc\vt\t-0.1\n", "is damaged: '-0.5 c t -0.1' holds a control character"),
    ],
)
def test_what_kenlm_cannot_use_is_refused_by_upload_and_by_predict(
    con: thano_duckdb.Connection, text: str, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.arpa"
    path.write_text(
        "\\data\\\nngram 1=4\nngram 2=1\n\n\\1-grams:\n-1\t<unk>\n-99\t<s>\t-0.3\n-1\t</s>\n"
        f"{text}\n\\2-grams:\n-0.2\t<s> </s>\n\n\\end\\\n"
    )
    with pytest.raises(ModelError, match=re.escape(sentence)):
        con.execute(f"UPLOAD LANGUAGE MODEL m FROM '{path}'")
    assert registered(con) == []
    with pytest.raises(ModelError, match=re.escape(sentence)):
        con.sql(
            f"PREDICT USING Wav2Vec2TinyEn OPTIONS (language_model='{path}') AS SELECT 'a.wav' AS audio_path"
        ).show()


def test_delete_removes_a_language_model_and_its_versions(con: thano_duckdb.Connection) -> None:
    for _ in range(2):
        con.execute("BUILD LANGUAGE MODEL m OPTIONS (overwrite=True) AS FROM lines")
    con.execute("DELETE LANGUAGE MODEL m@1")
    assert registered(con) == [("m", 2, "language model")]
    con.execute("DROP MODEL m")
    con.execute("DROP LANGUAGE MODEL IF EXISTS m")
    assert registered(con) == []


def test_the_bundled_one_is_listed_and_its_name_is_taken(con: thano_duckdb.Connection) -> None:
    assert con.sql("SELECT kind FROM (LIST THANOSQL MODEL) WHERE name = 'en'").fetchall() == [("built-in",)]
    with pytest.raises(RegistryError, match="choose another name"):
        con.execute("BUILD LANGUAGE MODEL en AS FROM lines")


def test_predict_does_not_take_a_language_model_for_an_acoustic_one(con: thano_duckdb.Connection) -> None:
    con.execute("BUILD LANGUAGE MODEL m AS FROM lines")
    for name in ("m", "en"):
        with pytest.raises(DialectError, match=f"'{name}' is a language model, which does not transcribe"):
            con.sql(f"PREDICT USING {name} AS SELECT 'a.wav' AS audio_path").fetchall()
    with pytest.raises(DialectError, match="is a language model"):
        con.execute("BUILD MODEL n USING m AS SELECT 'a.wav' AS audio_path, 'a' AS text")


# Perplexity


def test_perplexity_is_that_of_the_formula(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm", reason="kenlm-ex is not installed")
    con.execute("BUILD LANGUAGE MODEL m AS FROM lines")
    ((folder,),) = con.sql("SELECT path FROM (LIST MODEL)").fetchall()
    config = kenlm.Config()
    config.show_progress = False
    model = kenlm.Model(f"{folder}/language_model.arpa.gz", config)
    texts = ["The river looks GREEN!", "unheard-of words", "", None, *tutorial_sentences()[:5]]
    rows = con.execute("SELECT thano_normalize(t), thano_perplexity(t, 'm') FROM (SELECT unnest(?) AS t)", [texts])
    for text, perplexity in rows.fetchall():
        if text is None:
            assert perplexity is None
        else:
            assert perplexity == pytest.approx(10 ** (-model.score(text) / (len(text.split()) + 1)), rel=1e-3)
    assert con.sql("SELECT thano_perplexity('a', NULL)").fetchall() == [(None,)]


def test_an_odd_sentence_has_a_higher_perplexity(con: thano_duckdb.Connection) -> None:
    con.execute("BUILD LANGUAGE MODEL m OPTIONS (validation_split=0) AS FROM lines")
    con.execute("INSERT INTO lines VALUES ('bridge the from the green looks river')")
    odd = con.sql("SELECT text FROM lines ORDER BY thano_perplexity(text, 'm') DESC LIMIT 1").fetchall()
    assert odd == [("bridge the from the green looks river",)]


def test_words_are_compared_in_the_case_of_the_model(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    lower, _ = build(tmp_path / "lower", tutorial_sentences())
    upper, _ = build(tmp_path / "upper", [line.upper() for line in tutorial_sentences()])
    query = f"SELECT thano_perplexity(text, '{lower}'), thano_perplexity(text, '{upper}') FROM lines"
    for one, other in con.sql(query).fetchall():
        assert one == pytest.approx(other, rel=0.05)
        assert not math.isinf(one)


def test_a_statement_goes_on_with_the_language_model_that_it_began_with(
    con: thano_duckdb.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    con.execute("BUILD LANGUAGE MODEL m AS FROM lines")
    load, n_loads = ngram_scorer.load_scorer, 0

    def delete_after_loading(model: Any) -> Any:
        nonlocal n_loads
        n_loads += 1
        scorer = load(model)
        con._session.registry.delete("m")
        return scorer

    monkeypatch.setattr(language_models, "load_scorer", delete_after_loading)
    rows = con.sql("SELECT thano_perplexity('a b', 'm') FROM range(10_000)").fetchall()
    assert len(rows) == 10_000
    assert n_loads == 1
    with pytest.raises(ModelError, match="there is no language model 'm'"):
        con.sql("SELECT thano_perplexity('a b', 'm')").fetchall()


@pytest.mark.parametrize("value", ["nobody", "model", "./nothing.arpa", "Wav2Vec2TinyEn"])
def test_an_unknown_language_model_is_one_sentence(con: thano_duckdb.Connection, value: str) -> None:
    with pytest.raises(ModelError, match="language model") as refused:
        con.sql(f"SELECT thano_perplexity('a', '{value}')").fetchall()
    assert "\n" not in str(refused.value)


def test_delete_language_model_deletes_no_acoustic_model(tmp_path: Path, any_small_model: Path) -> None:
    with thano_duckdb.connect(model_home=tmp_path) as con:
        con.execute(f"UPLOAD MODEL mine FROM '{any_small_model}'")
        con.execute("BUILD LANGUAGE MODEL calls AS SELECT 'good morning' AS text")
        for verb in ("DELETE", "DROP"):
            with pytest.raises(RegistryError, match="'mine' is an acoustic model, which DELETE MODEL removes"):
                con.execute(f"{verb} LANGUAGE MODEL mine")
        with pytest.raises(RegistryError, match="'en' is built in"):
            con.execute("DELETE LANGUAGE MODEL en")
        con.execute("DELETE LANGUAGE MODEL calls")
        assert con.sql("SELECT name FROM (LIST MODEL)").fetchall() == [("mine",)]


@pytest.mark.parametrize(("n_rows", "warns"), [(100, True), (4000, False)])
def test_a_language_model_of_little_text_is_warned_of(tmp_path: Path, n_rows: int, warns: bool) -> None:
    query = f"SELECT 'we met number ' || chr(97 + (i % 26)::INTEGER) AS text, i FROM range({n_rows}) r(i)"
    with thano_duckdb.connect(model_home=tmp_path) as con, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        con.execute(f"BUILD LANGUAGE MODEL calls OPTIONS (validation_split=0) AS {query}").fetchall()
    assert any("words only" in str(warning.message) for warning in caught) is warns
