"""`Wav2Vec2TinyEn` ships with the package, and stands in for the tutorial's model if the hub cannot be reached."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import duckdb
import pytest
import safetensors.numpy
from cachetools import TTLCache

import thano_duckdb
from tests.checkpoints import make_checkpoint
from tests.models.fake_hub import put_in_cache
from tests.models.test_hub import BASE
from tests.training.kit import write_clips
from thano_duckdb import ModelError, ThanoWarning
from thano_duckdb.connection.session import Settings, open_session
from thano_duckdb.errors import HubUnavailableError
from thano_duckdb.models import bundled, resolve
from thano_duckdb.models.checkpoint import check_checkpoint
from thano_duckdb.models.registry import Registry
from thano_duckdb.speech.loading import load_engine

TUTORIAL = "tutorial_audio_recognition"
STANDS_IN = "The small model 'Wav2Vec2TinyEn' of this package stands in for it"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "home")


@pytest.fixture
def clip(tmp_path: Path) -> str:
    """The path of a clip of tones."""
    audio = write_clips(tmp_path / "clips", ["GO"])[0].audio
    assert isinstance(audio, str)
    return audio


class Hub:
    """A hub that can be switched on, and counts the requests over the network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_reachable = False
        self.n_requests = 0

    def from_hub(self, spec: str, repo_id: str, revision: str | None, *, offline_reason: str | None = None) -> Path:
        if offline_reason is not None:
            raise HubUnavailableError(f"{spec}: {offline_reason}", offline_reason)
        self.n_requests += 1
        if not self.is_reachable:
            raise HubUnavailableError(f"{spec}: no route", "no route")
        return self.folder


@pytest.fixture
def counted_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_hub: Path) -> Hub:
    counted = Hub(make_checkpoint(tmp_path / "from_the_hub"))
    monkeypatch.setattr(resolve, "from_hub", counted.from_hub)
    return counted


@pytest.mark.parametrize("name", ["Wav2Vec2TinyEn", "wav2vec2tinyen"])
@pytest.mark.parametrize("allow_external", [True, False])
def test_the_bundled_model_needs_neither_network_nor_external_access(
    registry: Registry, any_small_model: Path, no_hub: Path, name: str, allow_external: bool
) -> None:
    resolved = resolve.resolve(name, registry, allow_external=allow_external)
    assert resolved == resolve.ResolvedModel(any_small_model, "Wav2Vec2TinyEn", None, "")


def test_without_its_weights_nothing_stands_in(
    registry: Registry, no_hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "MODEL_FOLDER", tmp_path / "nothing")
    with pytest.raises(ModelError, match=r"missing from this copy of the package .* from_scratch=True"):
        resolve.resolve("Wav2Vec2TinyEn", registry)
    with pytest.raises(ModelError, match="without a network, use"):
        resolve.resolve(TUTORIAL, registry)


def test_only_the_tutorial_model_has_a_stand_in(registry: Registry, any_small_model: Path, no_hub: Path) -> None:
    resolved = resolve.resolve(TUTORIAL.upper(), registry)
    assert (resolved.folder, resolved.name) == (any_small_model, "Wav2Vec2TinyEn")
    for words in (BASE, "HF_HUB_OFFLINE is set", STANDS_IN, "trying things out"):
        assert words in resolved.notice
    closed = resolve.resolve(TUTORIAL, registry, allow_external=False)
    assert (closed.folder, "enable_external_access=false" in closed.notice) == (any_small_model, True)
    for other in ("Wav2Vec2En", "wav2vec2", "Wav2Vec2LargeEn", f"hf://{BASE}"):
        with pytest.raises(ModelError, match="without a network, use"):
            resolve.resolve(other, registry)


def test_a_cached_model_is_preferred_to_the_stand_in(
    registry: Registry, any_small_model: Path, no_hub: Path, tmp_path: Path
) -> None:
    assert resolve.resolve(TUTORIAL, registry).folder == any_small_model
    snapshot = put_in_cache(no_hub, BASE, make_checkpoint(tmp_path / "checkpoint"))
    assert resolve.resolve(TUTORIAL, registry) == resolve.ResolvedModel(snapshot, "Wav2Vec2En")


def test_after_an_outage_the_hub_is_not_asked_for_some_minutes(
    registry: Registry, any_small_model: Path, counted_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [0.0]
    monkeypatch.setattr(resolve, "_outages", TTLCache(8, resolve.RETRY_HUB_AFTER_S, lambda: now_s[0]))
    for _ in range(3):
        assert "no route" in resolve.resolve(TUTORIAL, registry).notice
        now_s[0] += resolve.RETRY_HUB_AFTER_S / 4
    assert counted_hub.n_requests == 1
    counted_hub.is_reachable = True
    assert resolve.resolve(TUTORIAL, registry).folder == any_small_model
    now_s[0] += resolve.RETRY_HUB_AFTER_S
    assert resolve.resolve(TUTORIAL, registry) == resolve.ResolvedModel(counted_hub.folder, "Wav2Vec2En")
    assert counted_hub.n_requests == 2


def test_without_external_access_no_outage_is_remembered(
    registry: Registry, any_small_model: Path, counted_hub: Hub
) -> None:
    resolve.resolve(TUTORIAL, registry, allow_external=False)
    assert counted_hub.n_requests == 0
    counted_hub.is_reachable = True
    assert resolve.resolve(TUTORIAL, registry).folder == counted_hub.folder


def test_a_statement_warns_once_and_never_changes_its_model(
    con: thano_duckdb.Connection, any_small_model: Path, counted_hub: Hub, clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_now, n_resolved = resolve.resolve, []

    def then_the_hub_comes_back(*arguments: object, **keywords: object) -> resolve.ResolvedModel:
        n_resolved.append(arguments)
        resolved = resolve_now(*arguments, **keywords)  # type: ignore[arg-type]
        counted_hub.is_reachable = True
        resolve.forget_outages()
        return resolved

    monkeypatch.setattr(resolve, "resolve", then_the_hub_comes_back)
    con.execute(f"CREATE TABLE clips AS SELECT '{clip}' AS audio_path FROM range(5000)")  # three vectors
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        con.execute(f"CREATE TABLE transcribed AS PREDICT USING {TUTORIAL} AS SELECT * FROM clips")
    assert [(warning.category, warning.filename) for warning in warned] == [(ThanoWarning, __file__)]
    assert STANDS_IN in str(warned[0].message)
    assert len(n_resolved) == 1
    assert con.execute("SELECT count(predicted), count(DISTINCT predicted) FROM transcribed").fetchone() == (5000, 1)


def test_every_statement_that_uses_the_stand_in_warns(
    con: thano_duckdb.Connection, any_small_model: Path, no_hub: Path, clip: str
) -> None:
    rows = f"SELECT '{clip}' AS audio_path, 'go' AS text"
    for statement in (
        f"PREDICT USING {TUTORIAL} AS {rows}",
        f"EVALUATE USING {TUTORIAL} AS {rows}",
        f"GET THANOSQL MODEL {TUTORIAL}",
    ):
        with pytest.warns(ThanoWarning, match=STANDS_IN) as warned:
            con.sql(statement).fetchall()
        assert len(warned) == 1
    con.sql(f"PREDICT USING Wav2Vec2TinyEn AS {rows}").fetchall()  # no warning: warnings are errors here


def test_two_names_of_one_model_share_an_engine(any_small_model: Path, no_hub: Path, registry: Registry) -> None:
    by_name, stand_in = resolve.resolve("Wav2Vec2TinyEn", registry), resolve.resolve(TUTORIAL, registry)
    assert load_engine(by_name.folder, "cpu") is load_engine(stand_in.folder, "cpu")


def test_list_and_get_show_the_bundled_model(con: thano_duckdb.Connection, any_small_model: Path, no_hub: Path) -> None:
    listed = con.sql("SELECT kind, base FROM (LIST THANOSQL MODEL) WHERE name = 'Wav2Vec2TinyEn'").fetchall()
    assert listed == [("built-in", None)]
    where = "SELECT name, path FROM thano_get_model"
    assert con.sql(f"{where}('wav2vec2tinyen')").fetchall() == [("wav2vec2tinyen", str(any_small_model))]
    # The cell of the tutorial of 2023 brings its model under the name that the next cells use.
    with pytest.warns(ThanoWarning, match=STANDS_IN):
        got = con.sql(f"GET THANOSQL MODEL wav2vec2 OPTIONS (model_name='{TUTORIAL}', overwrite=True)").fetchall()
    assert (got[0][0], got[0][5]) == (TUTORIAL, str(any_small_model))


def test_a_session_without_our_connection_warns_too(any_small_model: Path, no_hub: Path, tmp_path: Path) -> None:
    with duckdb.connect() as plain:
        session = open_session(plain, Settings(tmp_path / "home"))
        with session.access() as access, pytest.warns(ThanoWarning, match=STANDS_IN):
            assert session.resolve(TUTORIAL, access).folder == any_small_model


@pytest.mark.parametrize("base", ["Wav2Vec2TinyEn", TUTORIAL])
def test_a_build_starts_from_the_weights_of_the_bundled_model(
    any_small_model: Path, no_hub: Path, tmp_path: Path, base: str, recwarn: pytest.WarningsRecorder
) -> None:
    clips = write_clips(tmp_path / "clips", ["GO", "STOP"])
    rows = " UNION ALL ".join(f"SELECT '{clip.audio!s}' AS audio_path, '{clip.text}' AS text" for clip in clips)
    options = "epochs=1, learning_rate=1e-9, batch_size=2"
    warnings.simplefilter("always", ThanoWarning)
    with thano_duckdb.connect(model_home=tmp_path / "home", precision="float32", device="cpu") as con:
        con.execute(f"BUILD MODEL mine USING {base} OPTIONS ({options}) AS {rows}")
        con.execute(f"BUILD MODEL fresh USING Wav2Vec2TinyEn OPTIONS (from_scratch=True, {options}) AS {rows}")
        built = dict(con.sql("SELECT name, path FROM (LIST MODEL)").fetchall())
        ((described,),) = con.sql("SELECT base FROM (LIST MODEL) WHERE name = 'mine'").fetchall()
    assert described == "Wav2Vec2TinyEn"
    assert [STANDS_IN in str(warning.message) for warning in recwarn] == ([True] if base == TUTORIAL else [])
    weights = {name: safetensors.numpy.load_file(Path(folder) / "model.safetensors") for name, folder in built.items()}
    start = safetensors.numpy.load_file(any_small_model / "model.safetensors")
    assert max(abs(weights["mine"][name] - start[name]).max() for name in start) < 1e-6
    assert weights["fresh"].keys() != start.keys() or any(
        weights["fresh"][name].shape != start[name].shape or abs(weights["fresh"][name] - start[name]).max() > 0.01
        for name in start
    )


def test_the_bundled_weights_are_small_and_have_a_model_card(bundled_model: Path) -> None:
    check_checkpoint(bundled_model)
    assert sum(path.stat().st_size for path in bundled_model.glob("*.safetensors")) <= 20_000_000
    assert "WER" in (bundled_model / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("language_model", "figures"), [("NULL", (1, 2)), ("'en'", (3, 4))])
def test_the_figures_of_the_model_card_can_be_measured(language_model: str, figures: tuple[int, int]) -> None:
    """On the tutorial's clips, the only set that ships with the package; other processors may round differently."""
    card = (bundled.MODEL_FOLDER / "README.md").read_text(encoding="utf-8")
    row = re.search(
        r"^\| the tutorial's test clips .*\| 20 \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", card, re.MULTILINE
    )
    assert row
    with thano_duckdb.connect(device="cpu", precision="float32") as con:
        con.execute(f"SET VARIABLE folder = '{bundled.dataset_folder('librispeech_data')}'")
        scores = con.sql(
            f"EVALUATE USING Wav2Vec2TinyEn OPTIONS (language_model={language_model}) AS "
            "SELECT getvariable('folder') || '/' || parse_filename(audio_path) AS audio_path, text "
            "FROM read_csv(getvariable('folder') || '/librispeech_test.csv')"
        )
        measured = dict(scores.fetchall())
    assert [measured["wer"], measured["cer"]] == pytest.approx([float(row[each]) for each in figures], abs=0.02)
