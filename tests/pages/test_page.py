"""Pages: the table of players, the curve, and that no data becomes markup."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import thano_duckdb
from tests.pages.markup import EVIL, Markup, is_inert
from tests.pages.test_players import tone
from thano_duckdb import ThanoError
from thano_duckdb.pages.curve import curve, ticks
from thano_duckdb.pages.player_table import MAX_ROWS, player_table

INFO = ("duration", "sample_rate", "channels", "frames", "format", "subtype", "error")


def printed(con: thano_duckdb.Connection, query: str) -> pa.Table:
    return con.sql(f"PRINT AUDIO AS {query}").to_arrow_table()


def test_print_audio_shows_one_player_per_row(an4_con: thano_duckdb.Connection) -> None:
    table = printed(an4_con, "SELECT id, audio_path, text FROM an4 WHERE id < 3 ORDER BY id")
    page = player_table(table, audio_col="AUDIO_PATH", may_read=lambda _: True)
    found = Markup(page.html)
    assert len(found.sounds) == 3
    assert is_inert(page.html)
    for text in ("4.00 s", "16,000 Hz", "FLAC PCM_16", *table["text"].to_pylist(), *table["audio_path"].to_pylist()):
        assert text in found.text
    assert (repr(page), page._repr_html_()) == ("3 audio clips", page.html)
    assert page._repr_mimebundle_() == {"text/html": page.html, "text/plain": "3 audio clips"}
    assert not any(f"<th>{name}</th>" in page.html for name in ("frames", "subtype", "sample_rate"))


def test_clips_that_fail_show_the_reason(con: thano_duckdb.Connection) -> None:
    table = printed(con, "SELECT * FROM (VALUES ('/no/such.wav'), (NULL)) t(audio_path)")
    found = Markup(player_table(table, audio_col="audio_path", may_read=lambda _: True).html)
    assert found.sounds == []
    assert "No such file: '/no/such.wav'." in found.text


def test_rows_beyond_the_limit_are_counted(con: thano_duckdb.Connection) -> None:
    table = pa.table({"audio": [tone(0.05)] * (MAX_ROWS + 7)})
    page = player_table(table, audio_col="audio", may_read=lambda _: False)
    found = Markup(page.html)
    assert len(found.sounds) == MAX_ROWS
    assert "7 more clips, not shown here" in found.text
    assert repr(page) == f"{MAX_ROWS + 7} audio clips"


def test_a_long_clip_says_that_it_is_the_beginning() -> None:
    table = pa.table({"audio": [tone(65, 8_000, 1)]})
    text = Markup(player_table(table, audio_col="audio", may_read=lambda _: False).html).text
    assert "the first 1:00 of 1:05" in " ".join(text.split())


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ThanoError, match=r"no column 'sound'.*audio"):
        player_table(pa.table({"audio": [b""]}), audio_col="sound", may_read=lambda _: True)
    with pytest.raises(ThanoError, match="'n' holds int64"):
        player_table(pa.table({"n": [1]}), audio_col="n", may_read=lambda _: True)


def test_scripts_in_names_paths_and_values_are_inert(con: thano_duckdb.Connection, tmp_path: Path) -> None:
    table = pa.table({EVIL: [EVIL, f"/{EVIL}.wav"], "other": [EVIL, None]})
    page = player_table(table, audio_col=EVIL, may_read=lambda _: True)
    page.save(tmp_path / "page.html")
    document = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert is_inert(page.html)
    assert is_inert(document)
    assert Markup(document).text.count(EVIL) >= 4
    assert document.startswith("<!DOCTYPE html>")
    assert page.html in document


@given(st.dictionaries(st.text(), st.text(), min_size=1, max_size=3))
def test_no_text_becomes_markup(row: dict[str, str]) -> None:
    row = {name.replace("\0", ""): value for name, value in row.items()}
    name = next(iter(row))
    assert is_inert(player_table(pa.Table.from_pylist([row]), audio_col=name, may_read=lambda _: False).html)


def epochs(n: int, **more: object) -> list[dict[str, object]]:
    return [{"model": "m", "epoch": at, "train_loss": 2 / at, "eval_loss": None, **more} for at in range(1, n + 1)]


def dots(html: str) -> list[tuple[float, float]]:
    return [(float(a["cx"]), float(a["cy"])) for tag, a in Markup(html).elements if tag == "circle"]


def test_a_curve_falls_as_the_loss_does() -> None:
    page = curve(epochs(4))
    points = dots(page.html)
    assert repr(page) == "4 epochs, training loss 0.5"
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert points[0][1] < points[1][1] < points[3][1]  # down is larger
    heights = [points[-1][1] - y for _, y in points]
    assert heights[0] == pytest.approx(3 * heights[2] * 3, rel=0.02)  # 2 - 1/2 against 2/3 - 1/2
    assert "epoch 2: training 1" in Markup(page.html).text
    assert is_inert(page.html)


def test_each_held_out_metric_has_a_line() -> None:
    html = curve(epochs(3, eval_loss=1.5, wer=0.4, cer=0.1)).html
    assert len(dots(html)) == 12
    assert html.count("<svg") == 2
    text = Markup(html).text
    assert all(name in text for name in ("training", "held out", "WER", "CER", "epoch"))
    assert curve(epochs(3)).html.count("<svg") == 1


def test_the_published_epoch_is_marked_and_compared_with_the_base() -> None:
    rows = epochs(3, eval_loss=1.5, wer=0.4, cer=0.1, base_wer=0.625, kept=False)
    assert "thano-kept" not in [a.get("class") for _, a in Markup(curve(rows).html).elements]
    rows[1]["kept"] = True
    page = curve(rows)
    marks = [a["d"] for _, a in Markup(page.html).elements if a.get("class") == "thano-kept"]
    x = dots(page.html)[1][0]
    assert marks == [f"M{x} 40V216"] * 2
    assert repr(page) == ("3 epochs, training loss 0.667, epoch 2 of 3 is published: WER 0.400, of the base 0.625")
    assert "Epoch 2 of 3 is published: WER 0.400, of the base 0.625." in Markup(page.html).text


def test_a_single_epoch_is_a_table_and_its_model_name_inert() -> None:
    html = curve([{**epochs(1)[0], "model": EVIL}]).html
    assert "<svg" not in html
    assert "eval_loss" not in html
    assert EVIL in Markup(html).text
    assert is_inert(html)


def test_losses_that_are_not_numbers_are_omitted() -> None:
    rows = epochs(3)
    rows[1]["train_loss"] = float("nan")
    assert len(dots(curve(rows).html)) == 2


def test_rows_without_losses_are_refused() -> None:
    with pytest.raises(ThanoError, match="epoch and train_loss; there are: a"):
        curve([{"a": 1}])


@given(st.floats(1e-9, 1e9))
def test_ticks_are_few_and_reach_the_highest_value(highest: float) -> None:
    marks = ticks(highest)
    assert 2 <= len(marks) <= 6
    assert marks[0] == 0
    assert marks[-2] < highest <= marks[-1] * (1 + 1e-6)
