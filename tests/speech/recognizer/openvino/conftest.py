"""These tests need OpenVINO (`make test-openvino`), and write its networks into a folder of their own."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from thano_duckdb.speech import processor

INSTALL = "OpenVINO is not installed: pip install 'thano_duckdb[openvino]'"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if find_spec("openvino") is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=INSTALL))


@pytest.fixture(scope="session")
def exports_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _exports(exports_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are written once for all tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(exports_home))
    monkeypatch.setattr(processor, "has_openvino", lambda: True)
    monkeypatch.setattr(processor, "has_avx512", lambda: True)
    monkeypatch.setattr(processor, "has_amx", lambda: False)  # so `auto` is OpenVINO
