"""Every block of code in README.md and docs/ runs, and prints what the page shows."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import thano_duckdb
from thano_duckdb.models import bundled, resolve
from thano_duckdb.training import build
from thano_duckdb.training.training_options import TrainingOptions

from .blocks import BLOCKS, Block
from .models import SmallModels, fill_hub_cache, write_small_models
from .page_run import PageRun, check_syntax
from .world import World

LANGUAGES = {"sql", "python", "sh", "ipython", "text"}
EXPECTED_WARNINGS = {
    "docs/how-to/folder-of-calls.md": [
        "1 recording cannot be read",
        "1 clip could not be",
        r"The channels of 1 clip \(recordings/3.wav\) differ",
    ],
    "docs/how-to/hotwords.md": ["The hotword 'studio54' has no effect"],
}
"""Warnings that a page announces."""


@pytest.fixture(scope="module")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> SmallModels:
    return write_small_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def page(
    request: pytest.FixtureRequest, small_models: SmallModels, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PageRun]:
    """A page in a working folder that has what its code needs; training is cut to one epoch."""
    blocks = [block for block in BLOCKS if block.page == request.param]
    code = "\n".join(block.text for block in blocks)
    if bundled.MODEL in code and not bundled.has_model():
        pytest.skip(f"the weights of {bundled.MODEL} are not in this checkout")
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        from huggingface_hub import constants

        patch.chdir(folder)
        patch.setenv("THANO_HOME", str(folder / "home"))
        patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        patch.setattr(build, "build_model", _of_one_epoch)
        resolve.forget_outages()
        fill_hub_cache(folder / "hub", small_models, code)
        with thano_duckdb.connect() as con:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", thano_duckdb.ThanoWarning)  # of tables and models as small as these
                World(con, folder, small_models, code).fill()
            run = PageRun(blocks, con, folder)
            yield run
            run.close()


def _of_one_epoch(
    name: str, base: build.Base, options: TrainingOptions, *others: Any, **named: Any
) -> build.BuildResult:
    if base.name == bundled.MODEL:  # of the tutorial, which shows what comes out
        return _build_model(name, base, options, *others, **named)
    return _build_model(name, base, dataclasses.replace(options, epochs=1), *others, **named)


_build_model = build.build_model


def _tokens(output: str) -> list[Any]:
    """The words and numbers of a table; processors differ in the last digits."""
    tokens = output.translate(dict.fromkeys(range(0x2500, 0x2580), " ")).split()  # the lines of tables
    is_number = re.compile(r"-?\d+(\.\d+)?").fullmatch
    return [pytest.approx(float(token), rel=0.02, abs=0.01) if is_number(token) else token for token in tokens]


def _parameters() -> list[Any]:
    """A page and a block of it; from a training that takes minutes, the rest of its page is left to the nightly run."""
    parameters = []
    slow_pages = set()
    for block in BLOCKS:
        if "BUILD MODEL" in block.text and bundled.MODEL in block.text:
            slow_pages.add(block.page)
        marks = [pytest.mark.nightly, pytest.mark.timeout(1800)] if block.page in slow_pages else []
        parameters.append(pytest.param(block.page, block, marks=marks, id=str(block)))
    return parameters


@pytest.mark.filterwarnings("ignore:the new alphabet has:thano_duckdb.ThanoWarning")
@pytest.mark.parametrize(("page", "block"), _parameters(), indirect=["page"])
def test_a_block_does_what_the_page_says(page: PageRun, block: Block) -> None:
    assert block.language in LANGUAGES, "name the language of the block behind its first fence"
    if block.not_run is not None:
        check_syntax(block)
        pytest.skip(block.not_run)
    with warnings.catch_warnings():
        for message in EXPECTED_WARNINGS.get(block.page, []):
            warnings.filterwarnings("ignore", message, thano_duckdb.ThanoWarning)
        page.run(block)
    if block.language == "text":
        assert _tokens(page.output) == _tokens(block.text)
    for text in re.findall(r"\.show\(\)  # (.+)", block.text):
        assert text in page.output
