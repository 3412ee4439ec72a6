"""Which software a process runs: texts are equal only where the workers of a cluster run the same as the driver."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from thano_duckdb.version import __version__

_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Software:
    """Versions of what texts depend on.

    Attributes:
        thano_duckdb: of this package.
        source: a hash of its Python files, which tells two copies of one version apart.
        python: without the third number.
        torch, transformers: without what says for which device they were built.
    """

    thano_duckdb: str
    source: str
    python: str
    torch: str
    transformers: str

    @classmethod
    @functools.cache
    def current(cls) -> Software:
        """What this process runs. Nothing is imported for it."""
        python = ".".join(platform.python_version_tuple()[:2])
        return cls(__version__, _source_hash(), python, _version("torch"), _version("transformers"))

    def difference(self, other: Software) -> str:
        """What another process, a worker, has in another version, as part of a sentence; empty if nothing.

        >>> Software("1.0", "a", "3.11", "2.11.0", "5.17").difference(Software("1.0", "a", "3.11", "2.12.0", "5.17"))
        'torch 2.12.0, not 2.11.0'
        """
        own, others = asdict(self), asdict(other)
        for name in ("thano_duckdb", "python", "torch", "transformers"):
            if own[name] != others[name]:
                return f"{'Python' if name == 'python' else name} {others[name]}, not {own[name]}"
        if self.source != other.source:
            return f"thano_duckdb {self.thano_duckdb} with other source files"
        return ""


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _source_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(_PACKAGE).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
