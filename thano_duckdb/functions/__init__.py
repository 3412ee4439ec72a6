"""The functions that DuckDB calls: thin Arrow adapters around the engine, and `load`, which installs them."""

from __future__ import annotations

from .install import load

__all__ = ["load"]
