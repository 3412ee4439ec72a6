"""Ctrl-C while `python -m thano_duckdb` is still being imported: one word and exit code 130, and no traceback.

Only the package itself can see to that: it is imported before `__main__`, and takes much of the start.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import PurePath

_PACKAGE = "thano_duckdb"


def end_shell_on_ctrl_c() -> None:
    """End the process at Ctrl-C until `main` begins, if this process is the shell."""
    if _is_shell(sys.orig_argv, sys.argv) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def main_begins() -> None:
    """Give Ctrl-C its usual effect again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_shell(command: list[str], argv: list[str]) -> bool:
    """Whether the package is imported for `python -m thano_duckdb` or for the command `thano_duckdb`."""
    if argv[:1] == ["-m"]:  # so Python calls it until the module is found
        return f"-m{_PACKAGE}" in command or ("-m", _PACKAGE) in itertools.pairwise(command)
    return bool(argv) and PurePath(argv[0]).stem == _PACKAGE


def _end(*_: object) -> None:
    os.write(2, b"Interrupted.\n")
    os._exit(130)
