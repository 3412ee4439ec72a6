"""`_thano_audio_files`: the recordings of a folder, a pattern, or one file, for `thano_audio` and COPY.

Local folders are listed here and not by DuckDB's `glob`, which takes `calls [2024]` for a pattern and gives up a whole
folder for one file name that is not UTF-8. Addresses (`s3://..`) are listed by DuckDB, and only sorted out here.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import pyarrow as pa

from thano_duckdb.audio.formats import AUDIO_SUFFIXES, UNREAD_AUDIO_SUFFIXES, looks_like_audio
from thano_duckdb.audio.source import Clip
from thano_duckdb.connection.access import Access
from thano_duckdb.connection.session import Session
from thano_duckdb.errors import AudioError, brief
from thano_duckdb.models.datasets import where_it_is

from . import arguments
from .arrow import Function, per_row
from .clips import check_allowed, no_files_allowed

PATHS = pa.list_(pa.string())

_WILDCARDS = re.compile(r"[*?\[]")
_ALSO_WITHOUT_EXTENSION = re.compile(r"\.\d*")  # `call.20240105`
_N_FIRST_BYTES = 12


@dataclass(frozen=True)
class Listing:
    """What is in a folder, or matches a pattern.

    Attributes:
        recordings: the paths of what is or looks like audio, sorted, as the user began them.
        n_others: other files, and links to folders, which are not followed.
        n_unnamed: files whose names are not UTF-8: a VARCHAR cannot hold them.
        n_closed: folders without permission.
        n_outside: links to files that the database may not read, in folders that it may read.
    """

    recordings: list[str]
    n_others: int = 0
    n_unnamed: int = 0
    n_closed: int = 0
    n_outside: int = 0

    @property
    def omitted(self) -> str:
        """What is not listed, as one sentence; empty where everything is."""
        counts = (
            (self.n_others, "other file", ""),
            (self.n_unnamed, "file", " whose name is not UTF-8"),
            (self.n_closed, "folder", " without permission to read"),
            (self.n_outside, "link", " to where this database may not read"),
        )
        named = [f"{n} {what}{'s' if n > 1 else ''}{detail}" for n, what, detail in counts if n]
        return " and ".join(named)


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
        listing = _of_addresses(matches or []) if is_remote else find_recordings(location, access)
        check_allowed(listing.recordings, access)
    if not listing.recordings:
        raise AudioError(
            f"there are no audio files in {brief(location)}"
            + (f": it holds {listing.omitted}" if listing.omitted else "")
        )
    if listing.omitted:
        session.notice(f"thano_audio omits {listing.omitted} in {brief(location)}: it lists audio files only.")
    return listing.recordings


def find_recordings(location: str, access: Access) -> Listing:
    """The recordings at a local path. A folder or file that exists is never taken for a pattern.

    Files that the database may not read are as if they did not exist: they are not opened, listed or counted.

    Raises:
        AudioError: nothing exists there.
    """
    path = where_it_is(Clip.of(location).written_path)
    if os.path.isdir(path):
        return _of_folder(path.rstrip(f"/{os.sep}") or os.sep, access)
    if os.path.lexists(path):
        return Listing([path])  # the user named it: what it is shows in `error`
    if not _WILDCARDS.search(path):
        raise AudioError(f"there is no file or folder {brief(location)} (looked for {os.path.abspath(path)})")
    matches = glob.glob(path, recursive=True, include_hidden=True)
    return _sorted_out([match for match in matches if not os.path.isdir(match)], access)


def _of_folder(folder: str, access: Access) -> Listing:
    closed: list[OSError] = []
    files, n_links = [], 0
    for parent, folders, names in os.walk(folder, onerror=closed.append):
        files += [os.path.join(parent, name) for name in names]
        n_links += sum(os.path.islink(os.path.join(parent, name)) for name in folders)
    found = _sorted_out(files, access)
    return replace(found, n_others=found.n_others + n_links, n_closed=len(closed))


def _of_addresses(matches: Sequence[str]) -> Listing:
    recordings = [address for address in matches if _suffix(address) in _LISTED]
    return Listing(sorted(recordings), len(matches) - len(recordings))


def _sorted_out(files: Sequence[str], access: Access) -> Listing:
    recordings, n_others, n_unnamed, n_outside = [], 0, 0, 0
    for file in files:
        if not access.allows(file):
            n_outside += access.allows_name(file)
        elif not (_suffix(file) in _LISTED or _has_audio_inside(file)):
            n_others += 1
        elif not _is_text(file):
            n_unnamed += 1
        else:
            recordings.append(file)
    return Listing(sorted(recordings), n_others, n_unnamed, n_outside=n_outside)


def _suffix(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).suffix.lower()


def _has_audio_inside(file: str) -> bool:
    """Whether a file without an extension begins as audio files do."""
    suffix = _suffix(file)
    if suffix and not _ALSO_WITHOUT_EXTENSION.fullmatch(suffix):
        return False
    try:
        if not os.path.isfile(file):  # opening a pipe would wait
            return False
        with open(file, "rb") as opened:
            return looks_like_audio(opened.read(_N_FIRST_BYTES))
    except OSError:
        return False


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def file_pattern(session: Session, path: str | None) -> str | None:
    """The pattern that DuckDB's readers take for a path: a file that exists means itself, whatever its name."""
    if path is None:
        return None
    with session.access() as access:
        if not access.allows(path):
            return path  # DuckDB's reader decides
    path = where_it_is(path)
    return glob.escape(path) if os.path.isfile(os.path.expanduser(path)) else path


_LISTED = frozenset(AUDIO_SUFFIXES + UNREAD_AUDIO_SUFFIXES)

FUNCTIONS = (
    Function("_thano_audio_files", per_row(audio_files, PATHS), PATHS, (arguments.text("the folder of audio"),)),
    Function("_thano_file", per_row(file_pattern, pa.string()), pa.string(), (arguments.text("the file"),)),
)
