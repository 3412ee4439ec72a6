"""Reads n-gram models in ARPA format, plain or compressed by gzip, and checks them.

The format: manual page ngram-format(5) of SRILM, http://www.speech.sri.com/projects/srilm/manpages/ngram-format.5.html
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from thano_duckdb.errors import ModelError, brief

GZIP_MAGIC = b"\x1f\x8b"
MARKERS = frozenset({"<s>", "</s>", "<unk>", "<UNK>"})
MAX_ORDER = 6
"""The highest that KenLM reads as it is built by default."""
BATCH_LINES = 100_000
_COUNT = re.compile(rb"ngram\s+(\d+)\s*=\s*(\d+)\s*")
_MAX_HEADER_LINES = 1000
MAX_LINE_BYTES = 10_000
MAX_EXPANSION = 30
"""Of a file that is compressed; text of real models shrinks to a third or a fifth."""
_MIN_EXPANDED_BYTES = 64 * 2**20
_BUFFER_BYTES = 2**20


@dataclass(frozen=True)
class ArpaSummary:
    """What an ARPA file says of itself.

    Attributes:
        n_ngrams: how many n-grams of each order, from 1.
        words: of the unigrams, without <s>, </s> and <unk>.
    """

    n_ngrams: tuple[int, ...]
    words: tuple[str, ...]

    @property
    def order(self) -> int:
        """The longest n-gram."""
        return len(self.n_ngrams)


def summarize(path: Path) -> ArpaSummary:
    """Read an ARPA file once: its header, its words, and whether it is complete; not its numbers.

    Raises:
        ModelError: it is no ARPA file, or it is damaged or cut short.
    """
    with open_arpa(path) as file:
        n_ngrams = read_header(file, path)
        words: list[str] = []
        for order, n in enumerate(n_ngrams, 1):
            read_section_title(file, order, path)
            if order == 1:
                known: dict[str, None] = {}
                for batch in read_lines(file, order, n, path):
                    for given in _words(batch, path):
                        word = "<unk>" if given == "<UNK>" else given  # KenLM takes one for the other
                        if word in known:
                            raise damaged(path, f"the word {brief(word)} stands twice among its single words")
                        known[word] = None
                words = list(known)
            else:
                for _ in read_lines(file, order, n, path):
                    pass
        read_end(file, path)
    return ArpaSummary(n_ngrams, tuple(word for word in words if word not in MARKERS))


def _words(lines: list[bytes], path: Path) -> Iterator[str]:
    for line in lines:
        parts = line.split()
        if len(parts) not in (2, 3):
            raise damaged(path, f"{brief(line.decode(errors='replace'))} is not a unigram")
        try:
            yield parts[1].decode()
        except UnicodeDecodeError:
            raise damaged(path, f"the word {parts[1]!r} is not UTF-8") from None


@contextlib.contextmanager
def open_arpa(path: Path) -> Iterator[BinaryIO]:
    """The file, decompressed as it is read.

    Raises:
        ModelError: it cannot be read, or its compression is damaged.
    """
    try:
        with path.open("rb") as raw:
            is_compressed = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if not is_compressed:
                yield raw
                return
            n_bytes = os.fstat(raw.fileno()).st_size
            with gzip.GzipFile(fileobj=raw) as file:
                limited = _Expanding(file, max(_MIN_EXPANDED_BYTES, MAX_EXPANSION * n_bytes), path)
                yield io.BufferedReader(limited, _BUFFER_BYTES)
    except FileNotFoundError:
        raise ModelError(f"there is no language model {path} (any more)") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise damaged(path, f"it cannot be decompressed ({error})") from error
    except OSError as error:
        raise ModelError(f"the language model {path} cannot be read: {error.strerror or error}") from error


class _Expanding(io.RawIOBase):
    """A compressed file that is refused where it expands to far more than a language model would."""

    def __init__(self, file: gzip.GzipFile, max_bytes: int, path: Path) -> None:
        self._file = file
        self._n_left = max_bytes
        self._path = path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n_read = self._file.readinto(buffer)
        self._n_left -= n_read
        if self._n_left < 0:
            raise damaged(self._path, f"it expands to more than {MAX_EXPANSION} times its size, unlike text")
        return n_read


def read_header(file: BinaryIO, path: Path) -> tuple[int, ...]:
    r"""Read up to the n-gram counts of `\data\`, and one line more.

    Raises:
        ModelError: it is no ARPA file, or its header is damaged.
    """
    for line in islice(_short_lines(file), _MAX_HEADER_LINES):
        if line.strip() == b"\\data\\":
            break
    else:
        raise ModelError(
            f"{path} is not a language model: neither an ARPA file (it has no line '\\data\\' at its beginning) nor a "
            f"KenLM binary"
        )
    counts: list[int] = []
    for line in _short_lines(file):
        if not line.strip():
            if counts:
                break
            continue
        found = _COUNT.fullmatch(line.strip())
        if found is None or int(found[1]) != len(counts) + 1:
            raise damaged(path, f"{brief(line.decode(errors='replace'))} is not the number of {len(counts) + 1}-grams")
        counts.append(int(found[2]))
    if not counts:
        raise damaged(path, "it does not say how many n-grams it has")
    if len(counts) > MAX_ORDER:
        raise ModelError(f"{path} is a model of order {len(counts)}; the highest that is supported is {MAX_ORDER}")
    return tuple(counts)


def _short_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines of text; a file without line ends gives up to a kilobyte at a time."""
    while line := file.readline(1024):
        yield line


def read_section_title(file: BinaryIO, order: int, path: Path) -> None:
    r"""Read up to the line `\2-grams:`.

    Raises:
        ModelError: another line comes first.
    """
    title = b"\\%d-grams:" % order
    for line in _short_lines(file):
        if line.strip() == title:
            return
        if line.strip():
            raise damaged(path, f"{brief(line.decode(errors='replace'))} stands where '{title.decode()}' should")
    raise damaged(path, f"it ends before its {order}-grams")


def read_lines(file: BinaryIO, order: int, n: int, path: Path) -> Iterator[list[bytes]]:
    """The `n` lines of a section, in batches.

    Raises:
        ModelError: there are fewer.
    """
    left = n
    while left:
        batch = list(islice(iter(partial(file.readline, MAX_LINE_BYTES), b""), min(left, BATCH_LINES)))
        left -= len(batch)
        if not batch or not batch[-1].strip() or batch[-1].startswith(b"\\"):
            raise damaged(path, f"it has fewer {order}-grams than the {brief(str(n))[1:-1]} that it announces")
        for line in batch:
            if b"\v" in line or b"\f" in line:  # for KenLM a part of a word, for others what separates two
                raise damaged(path, f"{brief(line.decode(errors='replace'))} holds a control character")
        yield batch


def read_end(file: BinaryIO, path: Path) -> None:
    r"""Read up to the line `\end\`.

    Raises:
        ModelError: another line comes first, or none.
    """
    for line in _short_lines(file):
        if line.strip() == b"\\end\\":
            return
        if line.strip():
            raise damaged(path, f"{brief(line.decode(errors='replace'))} stands where '\\end\\' should")
    raise damaged(path, "it ends without '\\end\\'")


def damaged(path: Path, what: str) -> ModelError:
    """What to raise for a file that is not as it should be."""
    return ModelError(f"the language model {path} is damaged: {what}; copy or build it again")
