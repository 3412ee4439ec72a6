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
from thano_duckdb.errors import AudioError, ThanoError, brief, brief_location
from thano_duckdb.models.datasets import where_it_is

from . import arguments
from .arrow import Function, per_row
from .clips import check_allowed, no_files_allowed

PATHS = pa.list_(pa.string())

_WILDCARDS = re.compile(r"[*?\[]")
_ALSO_WITHOUT_EXTENSION = re.compile(r"\.\d*")  # `call.20240105`
_FILES_OF_FILE_MANAGERS = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_FOLDERS_OF_MACOS = frozenset({"__MACOSX", ".AppleDouble"})
"""They hold nothing but a companion for each file, in its name."""
_ENDING = re.compile(r"\.[a-z0-9]{2,4}$")
_N_FIRST_BYTES = 12
_N_BYTES_OF_SPACES = 1_000


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
    matches = (match for match in glob.iglob(path, recursive=True, include_hidden=True) if not _is_in_companions(match))
    return _sorted_out([match for match in matches if not os.path.isdir(match)], access)


def _of_folder(folder: str, access: Access) -> Listing:
    closed: list[OSError] = []
    files, n_links = [], 0
    for parent, folders, names in os.walk(folder, onerror=closed.append):
        folders[:] = [name for name in folders if name not in _FOLDERS_OF_MACOS]
        files += [os.path.join(parent, name) for name in names]
        n_links += sum(os.path.islink(os.path.join(parent, name)) for name in folders)
    found = _sorted_out(files, access)
    return replace(found, n_others=found.n_others + n_links, n_closed=len(closed))


def _of_addresses(matches: Sequence[str]) -> Listing:
    found = [address for address in matches if not _is_of_the_system(address)]
    recordings = [address for address in found if _suffix(address) in _LISTED]
    return Listing(sorted(recordings), len(found) - len(recordings))


def _sorted_out(files: Sequence[str], access: Access) -> Listing:
    recordings, n_others, n_unnamed, n_outside = [], 0, 0, 0
    for file in files:
        if _is_of_the_system(file):
            continue
        if not access.allows(file):
            n_outside += access.allows_name(file)
        elif not (_suffix(file) in _LISTED or _has_audio_inside(file)):
            n_others += 1
        elif not _is_text(file):
            n_unnamed += 1
        else:
            recordings.append(file)
    return Listing(sorted(recordings), n_others, n_unnamed, n_outside=n_outside)


def _is_of_the_system(path: str) -> bool:
    """Whether a file is one that a file manager keeps about a folder or another file: it is not worth counting."""
    name = PurePosixPath(path.replace("\\", "/")).name
    return name.startswith("._") or name.lower() in _FILES_OF_FILE_MANAGERS


def _is_in_companions(path: str) -> bool:
    return not _FOLDERS_OF_MACOS.isdisjoint(path.split(os.sep))


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
    example = f"{brief_location(first or '')}: {reason}"
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


_LISTED = frozenset(AUDIO_SUFFIXES + UNREAD_AUDIO_SUFFIXES)

FUNCTIONS = (
    Function("_thano_audio_files", per_row(audio_files, PATHS), PATHS, (arguments.text("the folder of audio"),)),
    Function(
        "_thano_audio_pattern",
        per_row(glob_pattern, pa.string()),
        pa.string(),
        (arguments.text("the folder of audio"),),
    ),
    Function("_thano_check_copied", per_row(check_copied, pa.bool_()), pa.bool_()),
    Function("_thano_copied_file", per_row(copied_file, pa.string()), pa.string(), (arguments.text("the file"),)),
    Function(
        "_thano_librispeech_texts",
        per_row(librispeech_texts, pa.string()),
        pa.string(),
        (arguments.text("the LibriSpeech tree"),),
    ),
    Function("_thano_file", per_row(file_pattern, pa.string()), pa.string(), (arguments.text("the file"),)),
)
