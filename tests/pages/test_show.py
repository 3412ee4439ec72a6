"""`thano_duckdb.show`: transcripts beside players, below their references."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pandas
import polars
import pyarrow as pa
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import thano_duckdb
from tests.pages.markup import EVIL, Markup, is_inert
from tests.pages.test_players import tone
from thano_duckdb import ThanoError
from thano_duckdb.pages.differences import HypothesisWord, align
from thano_duckdb.speech.metrics import word_errors
from thano_duckdb.speech.normalize import normalize
from thano_duckdb.speech.scripts import units

CLIP = tone(0.05)


def row(text: str | None, predicted: str | None, **more: object) -> dict[str, Any]:
    return {"audio": CLIP, "text": text, "predicted": predicted, **more}


def words(text: str, confidence: float = 0.9) -> list[dict[str, object]]:
    return [{"word": word, "start": 0.1, "end": 0.2, "confidence": confidence} for word in text.split()]


def kinds(reference: str, hypothesis: str) -> list[str]:
    return [step.kind for step in align(reference, [HypothesisWord(word) for word in hypothesis.split()])]


def test_the_page_of_real_transcripts_agrees_with_jiwer(an4_con: thano_duckdb.Connection, an4_model: Path) -> None:
    predicted = an4_con.sql(
        f"PREDICT USING '{an4_model}' OPTIONS (include=['words', 'confidence', 'error']) AS "
        "SELECT * FROM an4 WHERE id < 8"
    )
    page = thano_duckdb.show(predicted)
    rows = predicted.to_arrow_table().to_pylist()
    expected = jiwer.process_words([each["text"] for each in rows], [each["predicted"] for each in rows])
    found = Markup(page.html)
    assert len(found.sounds) == 8
    assert repr(page).startswith(f"8 clips, WER {expected.wer:.1%}")
    text = " ".join(found.text.split())
    assert f"{expected.substitutions} substituted {expected.deletions} deleted {expected.insertions} inserted" in text
    shown = [word for word in found.words if word != "∅"]
    assert sorted(shown) == sorted(word for each in rows for word in each["predicted"].split())
    assert is_inert(page.html)


@given(st.text(), st.text())
def test_the_alignment_has_the_counts_of_the_metrics(reference: str, hypothesis: str) -> None:
    (counts,) = word_errors([reference], [hypothesis])
    assert counts is not None
    found = kinds(reference, hypothesis)
    assert (found.count("substitution"), found.count("deletion"), found.count("insertion"), found.count("hit")) == (
        counts.substitutions,
        counts.deletions,
        counts.insertions,
        counts.hits,
    )


WORDS = st.lists(st.sampled_from(["a", "b", "ab", "the", "cat's", "ünï"]), min_size=1, max_size=12).map(" ".join)


@given(WORDS, WORDS)
def test_the_alignment_has_the_counts_of_jiwer(reference: str, hypothesis: str) -> None:
    expected = jiwer.process_words(reference, hypothesis)
    found = kinds(reference, hypothesis)
    assert [found.count(kind) for kind in ("substitution", "deletion", "insertion", "hit")] == [
        expected.substitutions,
        expected.deletions,
        expected.insertions,
        expected.hits,
    ]


@given(st.text(), st.text())
def test_no_word_is_lost_and_all_keep_their_order(reference: str, hypothesis: str) -> None:
    steps = align(reference, [HypothesisWord(word) for word in hypothesis.split()])
    references = " ".join(step.reference for step in steps if step.reference is not None)
    hypotheses = " ".join(step.hypothesis.word for step in steps if step.hypothesis is not None)
    shown, given = normalize(pa.array([references, hypotheses])), normalize(pa.array([reference, hypothesis]))
    assert [units(text) for text in shown.to_pylist()] == [units(text) for text in given.to_pylist()]


def test_an_apostrophe_beside_a_chinese_letter_is_a_quotation_mark() -> None:
    steps = align(
        "it's\u4e2d \u2018\u4f60\u2019\u597d", [HypothesisWord(word) for word in ("it's\u4e2d'", "\u4f60\u597d")]
    )
    assert [step.kind for step in steps] == ["hit"] * 4
    assert [step.reference for step in steps] == ["it's", "\u4e2d", "\u4f60", "\u597d"]


def test_words_are_shown_as_written_and_compared_without_case_and_marks() -> None:
    steps = align(
        "Hello, well-known World!",
        [HypothesisWord("hello"), HypothesisWord("WELL"), HypothesisWord("nown", 1.0, 1.5, 0.4)],
    )
    assert [(step.kind, step.reference, step.hypothesis and step.hypothesis.word) for step in steps] == [
        ("hit", "Hello,", "hello"),
        ("hit", "well", "WELL"),
        ("substitution", "known", "nown"),
        ("deletion", "World!", None),
    ]
    assert steps[2].hypothesis == HypothesisWord("nown", 1.0, 1.5, 0.4)


def test_chinese_is_compared_and_shown_character_by_character() -> None:
    timed = [{"word": char, "start": 0.1, "end": 0.2, "confidence": 0.5} for char in "\u4eca\u65e5"]
    page = thano_duckdb.show([row("\u4eca\u5929\u3002", "\u4eca\u65e5", words=timed)])
    assert repr(page) == "1 clip, WER 50.0%, CER 50.0%"
    elements = Markup(page.html).elements
    steps = [a["class"] for _, a in elements if "thano-step" in a.get("class", "")]
    assert steps == ["thano-step thano-hit thano-unspaced", "thano-step thano-substitution thano-unspaced"]
    shown = [a["title"] for _, a in elements if a.get("class") == "thano-hypothesis" and "title" in a]
    assert shown == ["confidence 0.50, 0.10 to 0.20 s"] * 2


def test_the_worst_comes_first() -> None:
    rows = [row("A B", "A B", name="right"), row("A B", "A X", name="half"), row("A", None, error="It broke."),
            row("A B", "X Y Z", name="bad"), row("", "A", name="noise"), row(None, "A", name="unknown")]  # fmt: skip
    html = thano_duckdb.show(rows).html
    positions = [html.index(text) for text in ("It broke.", "noise", ">bad<", ">half<", ">right<", ">unknown<")]
    assert positions == sorted(positions)


def test_without_a_reference_the_least_confident_comes_first() -> None:
    rows = [{"audio": CLIP, "predicted": text, "confidence": sure} for text, sure in (("B", 0.8), ("A", 0.2))]
    page = thano_duckdb.show(rows)
    assert Markup(page.html).words == ["A", "B"]
    assert "WER" not in page.html
    assert repr(page) == "2 clips"


def test_words_carry_their_confidence() -> None:
    timed_words = words("YES", 0.25) + words("NO", 1.0)
    elements = Markup(thano_duckdb.show([row("YES NO", "YES NO", words=timed_words)]).html).elements
    shown = [(a["style"], a["title"]) for _, a in elements if a.get("class") == "thano-hypothesis" and "title" in a]
    assert shown == [
        ("--thano-uncertainty: 75", "confidence 0.25, 0.10 to 0.20 s"),
        ("--thano-uncertainty: 0", "confidence 1.00, 0.10 to 0.20 s"),
    ]


def test_words_that_belong_to_another_text_are_ignored() -> None:
    found = Markup(thano_duckdb.show([row(None, "YES NO", words=words("YES"))]).html)
    assert found.words == ["YES", "NO"]
    assert not any(a.get("title", "").startswith("confidence 0.9") for _, a in found.elements)


def test_each_row_of_a_channel_plays_this_channel() -> None:
    """The columns are those of PREDICT with channel='each'; the second channel is silent."""
    content = io.BytesIO()
    one_sided = np.stack([0.5 * np.sin(np.arange(16_000)), np.zeros(16_000)], axis=1)
    soundfile.write(content, one_sided, 16_000, format="WAV")
    rows = [{"audio": content.getvalue(), "predicted": "A", "channel": channel} for channel in (1, 2, None)]
    sounds = Markup(thano_duckdb.show(rows).html).sounds
    levels = []
    for uri in sounds:
        samples, _ = soundfile.read(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
        levels.append(float(np.abs(samples).max()))
    assert levels == pytest.approx([0.5, 0.0, 0.25], abs=0.05)


def test_totals_cover_all_rows_though_few_are_shown() -> None:
    page = thano_duckdb.show([row("A", "A"), row("A", "B"), row("A B", None)], max_rows=1)
    assert repr(page) == "3 clips, WER 50.0%, CER 50.0%, 1 failed"
    assert "2 more clips" in page.html
    assert "max_rows=3" in page.html
    assert len(Markup(page.html).sounds) == 1


def test_a_failed_clip_shows_its_reason_and_its_reference() -> None:
    text = Markup(thano_duckdb.show([{"audio_path": "/no.wav", "predicted": None, "text": "HELLO"}]).html).text
    assert "No such file: '/no.wav'." in text
    assert "reference: HELLO" in text


class ResultSet:
    """As JupySQL's: it gives a data frame."""

    def DataFrame(self) -> pandas.DataFrame:  # noqa: N802
        return pandas.DataFrame([row("A B", "A C", words=words("A C"))])


def test_every_kind_of_result_gives_the_same_page(con: thano_duckdb.Connection) -> None:
    rows = [row("A B", "A C", words=words("A C"))]
    arrow_table = pa.Table.from_pylist(rows)
    expected = thano_duckdb.show(rows).html
    assert expected.count("confidence 0.90") == 2
    frames = (pandas.DataFrame(rows), polars.DataFrame(arrow_table))
    for result in (arrow_table, *frames, con.sql("FROM arrow_table"), ResultSet()):
        assert thano_duckdb.show(result).html == expected, type(result)


def test_an_enum_is_shown_as_text(con: thano_duckdb.Connection) -> None:
    rows = pandas.DataFrame([row("A B", "A C")])
    expected = thano_duckdb.show(rows).html
    categories = rows.astype({"text": "category", "predicted": "category"})
    assert thano_duckdb.show(categories).html == expected
    assert (
        thano_duckdb.show(con.sql("SELECT audio, text, predicted::ENUM('A C') AS predicted FROM rows")).html == expected
    )
    html = con.sql("PRINT AUDIO AS SELECT 'missing.wav'::ENUM('missing.wav') AS audio_path").fetchall()
    assert "missing.wav" in str(html)


def test_the_struct_of_thano_transcribe_is_a_transcript() -> None:
    transcript = {"text": "A C", "confidence": 0.5, "duration": 1.0, "words": words("A C"), "error": None}
    html = thano_duckdb.show([{"audio": CLIP, "t": transcript, "transcript": "A B"}]).html
    assert Markup(html).words == ["A", "C"]
    assert html.count("confidence 0.90") == 2
    assert "50.0 %" in html


def test_columns_can_be_named() -> None:
    rows = [{"sound": CLIP, "asr": "A C", "gold": "A B", "text": "x"}]
    page = thano_duckdb.show(rows, audio="Sound", hypothesis="asr", reference="gold")
    assert repr(page) == "1 clip, WER 50.0%, CER 33.3%"
    assert Markup(page.html).words == ["A", "C"]


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        (
            [{"audio": CLIP, "x": "A"}],
            {},
            r"no column holds transcripts .*the columns are: audio, x\. .*hypothesis='\.\.'",
        ),
        ([{"predicted": "A", "n": 1}], {}, r"no column holds audio .*the columns are: predicted, n\. .*audio='\.\.'"),
        ([{"audio": CLIP, "predicted": 5}], {}, r"the column 'predicted' holds int64, not transcripts; name another"),
        (
            [{"Audio": 5, "predicted": "A"}],
            {},
            r"the column 'Audio' holds int64, not audio; .*audio='\.\.'",
        ),
        ([{}], {}, "the columns are: none"),
        ([row("A", "A")], {"hypothesis": "predictd"}, "no column 'predictd'.*Did you mean 'predicted'"),
        ([row("A", "A", n=1)], {"reference": "n"}, "the column 'n' cannot be reference="),
        ([row("A", "A")], {"max_rows": 0}, "max_rows must be 1 or more"),
        (3, {}, "this int holds no rows to show"),
        ([row("A", "A", n=1), row("A", "A", n="x")], {}, "cannot be read as a table"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_a_remedy(rows: Any, names: dict[str, Any], message: str) -> None:
    with pytest.raises(ThanoError, match=message):
        thano_duckdb.show(rows, **names)


def test_no_rows_give_a_page_of_0_clips() -> None:
    empty = pa.Table.from_pylist([row("A", "A")]).slice(0, 0)
    assert repr(thano_duckdb.show(empty)) == "0 clips"
    assert repr(thano_duckdb.show([])) == "0 clips"
    assert repr(thano_duckdb.show(pandas.DataFrame([]), audio="a", hypothesis="b", reference="c")) == "0 clips"


def test_scripts_in_any_column_are_inert() -> None:
    rows = [
        {"audio_path": f"/{EVIL}", "predicted": EVIL, "text": f"text {EVIL}", EVIL: EVIL, "words": words(EVIL)},
        {"audio_path": EVIL, "predicted": None, "text": EVIL, EVIL: EVIL, "words": None, "error": EVIL},
    ]
    html = thano_duckdb.show(rows).html
    assert is_inert(html)
    assert EVIL in Markup(html).text


@given(st.text(), st.text(), st.text())
def test_no_text_becomes_markup(reference: str, hypothesis: str, other: str) -> None:
    rows = [row(reference, hypothesis, words=words(hypothesis), other=other)]
    assert is_inert(thano_duckdb.show(rows).html)


def test_files_are_not_read_if_the_database_may_not_read_them(con: thano_duckdb.Connection, an4_clip: str) -> None:
    rows = con.sql(f"SELECT '{an4_clip}' AS audio_path, 'A' AS predicted")
    assert len(Markup(thano_duckdb.show(rows).html).sounds) == 1
    con.execute("SET enable_external_access = false")
    html = thano_duckdb.show(rows).html
    assert Markup(html).sounds == []
    assert "may not read files" in html


def test_neither_torch_nor_ipython_is_needed() -> None:
    code = (
        "import sys, thano_duckdb\n"
        "thano_duckdb.show([{'audio_path': '/x', 'predicted': 'a', 'text': 'b'}])\n"
        "import thano_duckdb.pages.player_table, thano_duckdb.pages.curve\n"
        "print([name for name in ('torch', 'IPython', 'sql', 'matplotlib') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_players_of_a_relation_keep_the_limits_of_its_connection() -> None:
    for limits, reason in (({"max_bytes": 100}, "larger than 100 bytes"), ({"max_duration": 0.01}, "more than 0.01 s")):
        with thano_duckdb.connect(**limits) as con:
            con.execute("CREATE TABLE t (audio BLOB, predicted VARCHAR)")
            con.execute("INSERT INTO t VALUES (?, 'one')", [CLIP])
            for relation in (con.table("t"), con.sql("FROM t").filter("true")):
                page = thano_duckdb.show(relation)
                assert not Markup(page.html).sounds
                assert reason in page.html
    assert len(Markup(thano_duckdb.show([row("one", "one")]).html).sounds) == 1
