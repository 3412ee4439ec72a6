"""How much one clip may cost to read. What comes from elsewhere may be endless, or expand a thousandfold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from thano_duckdb.errors import counted
from thano_duckdb.option import StatementKind
from thano_duckdb.options import find_option

from .database_file import DatabaseFiles
from .failure import UnreadableAudioError


def _default(option: str) -> Any:
    return find_option(StatementKind.PREDICT, option).default


@dataclass(frozen=True)
class ReadLimits:
    """What reading one clip may take; None lifts a limit. The defaults are those of the options of the same names.

    Attributes:
        max_bytes: size of its file, BLOB or download, also after a compressed transfer is expanded.
        max_duration_s: seconds of audio that are decoded.
        timeout_s: seconds that a clip at a URL may take to arrive, in all.
        max_redirects: how often a web server may redirect; no option sets it.
        database: opens the URLs that it can open itself; None where there is no database.
    """

    max_bytes: int | None = _default("max_bytes")
    max_duration_s: float | None = _default("max_duration")
    timeout_s: float | None = _default("timeout")
    max_redirects: int = 10
    database: DatabaseFiles | None = None

    def changed(self, options: Mapping[str, Any]) -> ReadLimits:
        """These limits, but for those that the options `max_bytes`, `max_duration` and `timeout` set.

        >>> ReadLimits().changed({"timeout": 5.0, "batch_size": 8}).timeout_s
        5.0
        """
        return replace(
            self,
            max_bytes=options.get("max_bytes", self.max_bytes),
            max_duration_s=options.get("max_duration", self.max_duration_s),
            timeout_s=options.get("timeout", self.timeout_s),
        )

    def check_bytes(self, n_bytes: int) -> None:
        """Refuse a clip of `n_bytes`, or the beginning of one, if it is too large.

        Raises:
            UnreadableAudioError: it is.
        """
        if self.max_bytes is not None and n_bytes > self.max_bytes:
            raise UnreadableAudioError(
                f"It is larger than {counted(self.max_bytes, 'byte')}; the option 'max_bytes' sets this limit."
            )

    def check_duration(self, n_frames: int, rate_hz: int, *, by_header: bool = False) -> None:
        """Refuse audio of `n_frames`, or the beginning of it, if it is too long.

        Args:
            n_frames: what was decoded so far, or what the header says.
            rate_hz: sample rate.
            by_header: only the header says so.

        Raises:
            UnreadableAudioError: it is.
        """
        if self.max_duration_s is not None and n_frames > self.max_duration_s * rate_hz:
            subject = "By its header it" if by_header else "It"
            raise UnreadableAudioError(
                f"{subject} lasts more than {self.max_duration_s:,g} s; cut it into parts, "
                "or raise the option 'max_duration'."
            )


DEFAULT_LIMITS = ReadLimits()
