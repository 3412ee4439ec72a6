"""What the files of a model hold, as one hash: it is the same in every folder and on every machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from thano_duckdb.audio.source import FileVersion
from thano_duckdb.models.adapters import adapter_file
from thano_duckdb.models.checkpoint import ADAPTER_FILES, needed_files
from thano_duckdb.models.lineage import LINEAGE_FILE

_NO_INFLUENCE = ("README*", "LICENSE*", "NOTICE*", LINEAGE_FILE)
"""Files of a checkpoint that say something about it, and nothing to it."""


def model_files(folder: Path, language: str | None) -> list[Path]:
    """The files of a checkpoint that its texts depend on, sorted by name.

    Args:
        folder: of the checkpoint.
        language: the one whose adapter counts; those of others do not.
    """
    own = adapter_file(folder, language).name if language is not None else ""
    return sorted(
        path
        for path in needed_files(folder)
        if not any(fnmatch(path.name, pattern) for pattern in _NO_INFLUENCE)
        and (not fnmatch(path.name, ADAPTER_FILES) or path.name == own)
    )


def model_content(
    folder: Path, language: str | None, hash_files: Callable[[Sequence[FileVersion]], Sequence[bytes | None]]
) -> str | None:
    """The hash of what the files of a checkpoint hold; None where one of them cannot be read or is being changed.

    Args:
        folder: of the checkpoint.
        language: the one whose adapter counts.
        hash_files: the content hash of each file, such as `ContentHashes.of`.
    """
    try:
        paths = model_files(folder, language)
        versions = [FileVersion.of(str(path.resolve()), os.stat(path)) for path in paths]
    except OSError:
        return None
    digest = hashlib.blake2b(digest_size=16)
    for path, content in zip(paths, hash_files(versions), strict=True):
        if content is None:
            return None
        digest.update(path.name.encode() + b"\0" + content)
    return digest.hexdigest()
