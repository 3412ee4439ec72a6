"""`_thano_audio_files`: the recordings of a folder, a pattern, or one file, for `thano_audio` and COPY.

Local folders are listed here and not by DuckDB's `glob`, which takes `calls [2024]` for a pattern and gives up a whole
folder for one file name that is not UTF-8. Addresses (`s3://..`) are listed by DuckDB, and only sorted out here.
"""

from __future__ import annotations

import glob
import os
import re

import pyarrow as pa

from thano_duckdb.audio.source import Clip
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import AudioError, ThanoError, brief, located
from thano_duckdb.models.datasets import where_it_is

from . import arguments
from .arrow import Function, per_row
from .clips import check_allowed, no_files_allowed
from .recordings import find_recordings, of_addresses

PATHS = pa.list_(pa.string())

_ENDING = re.compile(r"\.[a-z0-9]{2,4}$")
_N_BYTES_OF_SPACES = 1_000


def audio_files(session: Session, location: str | None, matches: list[str] | None) -> list[str]:
    """The recordings at a location.

    Args:
        session: of the connection that calls.
        location: a folder (searched with its subfolders), a file, a pattern with `*`, `?` or `[..]`, or an address.
        matches: for an address, what DuckDB's `glob` found there.

    Raises:
        AudioError: there is nothing at the location, or no recording.
    """
    if not location:
        raise AudioError(f"the folder of audio is {'NULL' if location is None else 'empty'}: name a folder or a file")
    with session.access() as access:
        if not (access.allows(location) or access.allows_folder(Clip.of(location).path)):
            raise no_files_allowed(location)
        is_remote = Clip.of(location).is_url
        listing = of_addresses(matches or []) if is_remote else find_recordings(location, access)
        check_allowed(map(Clip.of, listing.recordings), access)
    if not listing.recordings:
        raise AudioError(
            f"there are no audio files in {brief(location)}"
            + (f": it holds {listing.omitted}" if listing.omitted else "")
        )
    if listing.omitted:
        session.notice(f"thano_audio omits {listing.omitted} in {brief(location)}.")
    return listing.recordings


def glob_pattern(_session: Session, location: str | None) -> str:
    """What DuckDB's `glob` is given for a location: of a local one, which is listed here, the path itself.

    Raises:
        AudioError: it is NULL.
    """
    if location is None:
        raise AudioError("the folder of audio is NULL: name a folder or a file")
    if not Clip.of(location).is_url:
        return re.sub(r"([*?\[])", r"[\1]", location)
    if "*" in location or _ENDING.search(location.lower()):
        return location
    return f"{location.rstrip('/')}/**"


def check_copied(session: Session, n_files: int, n_unread: int, first: str | None, reason: str | None) -> bool:
    """True: COPY may use what it found. It warns of recordings that cannot be read.

    Args:
        session: of the connection that calls.
        n_files: how many recordings were found.
        n_unread: how many of them cannot be read.
        first: path of the first of these.
        reason: why it cannot be read.

    Raises:
        AudioError: none of them can be read.
    """
    if not n_unread:
        return True
    example = located(first or "", reason or "")
    if n_unread == n_files:
        none = "the only recording found cannot" if n_files == 1 else f"none of the {n_files} recordings found can"
        raise AudioError(f"{none} be read, so COPY leaves the table as it is ({example})")
    session.notice(
        f"{n_unread} of {n_files} recordings cannot be read: their rows give the reason in the column error ({example})"
    )
    return True


def copied_file(session: Session, path: str | None) -> str | None:
    """The pattern that DuckDB's readers take for a file that COPY reads, see `file_pattern`.

    Raises:
        ThanoError: all that it matches are empty files, of which DuckDB would make a table with a made-up column.
    """
    pattern = file_pattern(session, path)
    if path is None or pattern is None:
        return pattern
    with session.access() as access:
        files = [file for file in glob.glob(os.path.expanduser(pattern), recursive=True) if access.allows(file)]
    if files and all(_is_empty(file) for file in files):
        raise ThanoError(f"there is nothing in {brief(path)}: the file is empty, so COPY leaves the table as it is")
    return pattern


def check_rows(_session: Session, n_rows: int, path: str, instead: str) -> bool:
    """True: COPY may replace a table by the rows of a file.

    Args:
        n_rows: how many rows there are.
        path: of the file.
        instead: the statement of DuckDB's own that makes an empty table.

    Raises:
        ThanoError: there are none.
    """
    if not n_rows:
        raise ThanoError(
            f"there are no rows in {brief(path)}, so COPY leaves the table as it is; if an empty table is to take its "
            f"place, write {instead}"
        )
    return True


def librispeech_texts(session: Session, root: str | None) -> str:
    """The pattern of the texts of a LibriSpeech tree.

    Raises:
        AudioError: there is no such folder, or it holds no texts.
    """
    if not root:
        raise AudioError(f"the LibriSpeech tree is {'NULL' if root is None else 'empty'}: name its folder")
    folder = os.path.expanduser(where_it_is(root.rstrip("/\\") or root))
    pattern = f"{glob.escape(folder)}/**/*.trans.txt"
    if Clip.of(root).is_url:
        return f"{root.rstrip('/')}/**/*.trans.txt"
    with session.access() as access:
        if not access.allows(folder):
            return pattern  # DuckDB's reader refuses it
    if not os.path.lexists(folder):
        raise AudioError(f"there is no file or folder {brief(root)} (looked for {os.path.abspath(folder)})")
    if next(glob.iglob(pattern, recursive=True), None) is None:
        raise AudioError(
            f"there is no LibriSpeech tree in {brief(root)}: it holds no speaker/chapter/speaker-chapter.trans.txt"
        )
    return pattern


def _is_empty(file: str) -> bool:
    """Whether a file holds nothing but white space, or an empty list of JSON."""
    try:
        if not os.path.isfile(file) or os.path.getsize(file) > _N_BYTES_OF_SPACES:
            return False
        with open(file, "rb") as opened:
            return opened.read().strip() in (b"", b"[]")
    except OSError:
        return False  # DuckDB's reader says what is wrong


def file_pattern(session: Session, path: str | None) -> str | None:
    """The pattern that DuckDB's readers take for a path: a file that exists means itself, whatever its name."""
    if path is None:
        return None
    with session.access() as access:
        if not access.allows(path):
            return path  # DuckDB's reader decides
    path = where_it_is(path)
    return glob.escape(path) if os.path.isfile(os.path.expanduser(path)) else path


FUNCTIONS = (
    Function("_thano_audio_files", per_row(audio_files, PATHS), PATHS, (arguments.text("the folder of audio"),)),
    Function(
        "_thano_audio_pattern",
        per_row(glob_pattern, pa.string()),
        pa.string(),
        (arguments.text("the folder of audio"),),
    ),
    Function("_thano_check_copied", per_row(check_copied, pa.bool_()), pa.bool_()),
    Function("_thano_check_rows", per_row(check_rows, pa.bool_()), pa.bool_()),
    Function("_thano_copied_file", per_row(copied_file, pa.string()), pa.string(), (arguments.text("the file"),)),
    Function(
        "_thano_librispeech_texts",
        per_row(librispeech_texts, pa.string()),
        pa.string(),
        (arguments.text("the LibriSpeech tree"),),
    ),
    Function("_thano_file", per_row(file_pattern, pa.string()), pa.string(), (arguments.text("the file"),)),
)
