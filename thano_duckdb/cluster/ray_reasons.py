"""Why a worker of a Ray cluster is gone, as part of a sentence: Ray's own errors fill a page."""

from __future__ import annotations

from typing import Any

from thano_duckdb.errors import on_one_line

_MAX_CHARS = 300


def death_reason(ray: Any, error: BaseException, node: str, pid: int | None) -> str:
    """What an error of Ray's says of the end of a worker.

    Args:
        ray: the module.
        error: instead of an answer of the worker.
        node: its machine; empty before it is known.
        pid: of its process, likewise.
    """
    text = str(error)
    where = f"on {node}" if node else "in the Ray cluster"
    if "No module named 'thano_duckdb" in text:
        return f"thano_duckdb is not installed {where}: install the version of this process on all machines"
    if "No module named" in text or "ImportError" in text:
        return f"thano_duckdb cannot be imported {where}: {_last_line(text)}"
    if isinstance(error, ray.exceptions.OutOfMemoryError) or "out of memory" in text.lower():
        return f"its process {where} was ended for want of memory there"
    if isinstance(error, ray.exceptions.NodeDiedError) or "node has died" in text or "node died" in text.lower():
        return f"the machine {node or 'that it was to run on'} was lost"
    if isinstance(error, ray.exceptions.ObjectLostError):
        return f"what it had sent from {node} was lost"
    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return f"the machine {node} cannot be reached"
    if isinstance(error, ray.exceptions.ActorDiedError):
        return f"its process{f' {pid}' if pid else ''} {where} ended unexpectedly"
    return f"{where}: {_last_line(text) or type(error).__name__}"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = on_one_line(lines[-1]) if lines else ""
    return line if len(line) <= _MAX_CHARS else f"{line[: _MAX_CHARS - 3]}..."
