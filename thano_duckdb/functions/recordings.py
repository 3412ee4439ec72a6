"""What is listed of a folder or a pattern: recordings, and how much else there is.

A folder and the `**` of a pattern are searched alike. A link to a folder is followed, but each real folder is searched
once, under its own name if it has one there, so that links that lead back make no loops.
"""

from __future__ import annotations

import glob
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from thano_duckdb.audio.formats import AUDIO_SUFFIXES, looks_like_audio
from thano_duckdb.audio.source import Clip
from thano_duckdb.connection.access import Access
from thano_duckdb.errors import AudioError, brief
from thano_duckdb.models.datasets import where_it_is

_WILDCARDS = re.compile(r"[*?\[]")
_ANY_FOLDERS = "**"
_ALSO_WITHOUT_EXTENSION = re.compile(r"\.\d*")  # `call.20240105`
_FILES_OF_FILE_MANAGERS = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_FOLDERS_OF_MACOS = frozenset({"__MACOSX", ".AppleDouble"})
"""They hold nothing but a companion for each file, in its name."""
_LISTED = frozenset(AUDIO_SUFFIXES)
_N_FIRST_BYTES = 12


@dataclass(frozen=True)
class Listing:
    """What is in a folder, or matches a pattern.

    Attributes:
        recordings: the paths of what is or looks like audio, sorted, as the user began them.
        n_others: files that are not audio.
        n_unnamed: files whose names are not UTF-8: a VARCHAR cannot hold them.
        n_closed: folders without permission.
        n_outside: links to what the database may not read, in folders that it may read.
        n_above: links to a folder that the link itself lies in, which are not followed unless that is searched anyway.
    """

    recordings: list[str]
    n_others: int = 0
    n_unnamed: int = 0
    n_closed: int = 0
    n_outside: int = 0
    n_above: int = 0

    @property
    def omitted(self) -> str:
        """What is not listed, as one sentence; empty where everything is."""
        counts = (
            (self.n_others, "file that is not audio", "files that are not audio"),
            (self.n_unnamed, "file whose name is not UTF-8", "files whose names are not UTF-8"),
            (self.n_closed, "folder without permission to read", "folders without permission to read"),
            (
                self.n_outside,
                "link to where this database may not read",
                "links to where this database may not read",
            ),
            (
                self.n_above,
                "linked folder that is not followed (it leads to a folder above)",
                "linked folders that are not followed (they lead to folders above)",
            ),
        )
        named = [f"{n} {one if n == 1 else several}" for n, one, several in counts if n]
        return " and ".join(named)


def find_recordings(location: str, access: Access) -> Listing:
    """The recordings at a local path. A folder or file that exists is never taken for a pattern.

    Files that the database may not read are as if they did not exist: they are not opened, listed or counted.

    Raises:
        AudioError: nothing exists there.
    """
    path = where_it_is(Clip.of(location).written_path)
    search = _Search(access)
    if os.path.isdir(path):
        return search.listing(search.files([path.rstrip(f"/{os.sep}") or os.sep]))
    if os.path.lexists(path):
        return Listing([path])  # the user named it: what it is shows in `error`
    if not _WILDCARDS.search(path):
        raise AudioError(f"there is no file or folder {brief(location)} (looked for {os.path.abspath(path)})")
    matches = (match for match in search.matches(path) if not _is_in_companions(match))
    return search.listing(match for match in matches if not (access.allows_within(match) and os.path.isdir(match)))


@dataclass
class _Search:
    """One search, and what it does not follow."""

    access: Access
    closed: list[OSError] = field(default_factory=list)
    outside: set[str] = field(default_factory=set)
    above: set[str] = field(default_factory=set)

    def listing(self, found: Iterable[str]) -> Listing:
        """The files that were found, sorted out."""
        recordings, n_others, n_unnamed = [], 0, 0
        for file in dict.fromkeys(found):
            if _is_of_the_system(file):
                continue
            if not self.access.allows(file):
                self._note_outside(file)
            elif not (_suffix(file) in _LISTED or _has_audio_inside(file)):
                n_others += 1
            elif not _is_text(file):
                n_unnamed += 1
            else:
                recordings.append(file)
        return Listing(sorted(recordings), n_others, n_unnamed, len(self.closed), len(self.outside), len(self.above))

    def matches(self, pattern: str) -> Iterator[str]:
        """What matches a pattern, possibly more than once."""
        before, after = _around_any_folders(pattern)
        if before is None:
            yield from glob.iglob(pattern, include_hidden=True)
            return
        roots = list(glob.iglob(before, include_hidden=True)) if before else [os.curdir]
        found: Iterator[str]
        if after:
            folders = (glob.escape(folder) for folder, _ in self._folders(roots))
            found = (match for folder in folders for match in self.matches(os.path.join(folder, after)))
        else:
            found = self.files(roots)
        of_working_folder = "" if before else os.path.join(os.curdir, "")
        yield from (match.removeprefix(of_working_folder) for match in found)

    def files(self, roots: Iterable[str]) -> Iterator[str]:
        """The files under the roots."""
        for folder, names in self._folders(roots):
            yield from (os.path.join(folder, name) for name in names)

    def _folders(self, roots: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
        """Each folder at or under the roots once, with the names of its files. Linked folders come last."""
        waiting = deque(sorted(roots, key=lambda root: (os.path.islink(root), root)))
        searched: set[str] = set()
        while waiting:
            top = waiting.popleft()
            if not self._may_search(top, searched):
                continue
            for parent, folders, names in os.walk(top, onerror=self.closed.append):
                real = os.path.realpath(parent)
                if real in searched:
                    folders.clear()
                    continue
                searched.add(real)
                folders[:] = sorted(name for name in folders if name not in _FOLDERS_OF_MACOS)
                yield parent, names
                inside = (os.path.join(parent, name) for name in folders)
                waiting += [folder for folder in inside if os.path.islink(folder)]  # `walk` does not follow them

    def _may_search(self, folder: str, searched: set[str]) -> bool:
        if not self.access.allows_within(folder):
            self._note_outside(folder)
            return False
        if not os.path.isdir(folder) or (real := os.path.realpath(folder)) in searched:
            return False
        own_folder = os.path.join(os.path.realpath(os.path.dirname(folder)), "")
        if os.path.islink(folder) and own_folder.startswith(os.path.join(real, "")):
            self.above.add(folder)
            return False
        return True

    def _note_outside(self, path: str) -> None:
        """Count what the database may not read, if its name may be known: a link in a folder that it may read."""
        if self.access.allows_name(path):
            self.outside.add(os.path.abspath(path))


def _around_any_folders(pattern: str) -> tuple[str | None, str]:
    """What stands before and after the first `**` of a pattern; None and the pattern where it has none."""
    parts = pattern.split(os.sep)
    if _ANY_FOLDERS not in parts:
        return None, pattern
    first = last = parts.index(_ANY_FOLDERS)
    while parts[last + 1 : last + 2] == [_ANY_FOLDERS]:
        last += 1
    before = os.sep.join(parts[:first]) or (os.sep if first else "")
    return before, os.sep.join(parts[last + 1 :])


def of_addresses(matches: Sequence[str]) -> Listing:
    """The recordings among addresses that DuckDB has listed."""
    found = [address for address in matches if not _is_of_the_system(address)]
    recordings = [address for address in found if _suffix(address) in _LISTED]
    return Listing(sorted(recordings), len(found) - len(recordings))


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
