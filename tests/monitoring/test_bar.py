"""A bar appears in every terminal, also in one that does not say how large it is."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

import pytest

from thano_duckdb.monitoring.bar import close_bar, open_bar


@pytest.mark.parametrize(("lines", "columns"), [(0, 0), (0, 100), (30, 0), (30, 100)])
def test_a_bar_is_drawn_in_a_pseudo_terminal_of_any_size(
    lines: int, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        close_bar(open_bar(desc="loading", total=1, bar_format="{desc} .."))
        print("end", file=terminal, flush=True)  # so that reading need not wait where nothing was drawn
        assert b"loading .." in os.read(ours, 1000)
    os.close(ours)
