"""Running the blocks of one page one after the other, as a reader does."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb

import thano_duckdb
from tests.conftest import REPOSITORY
from thano_duckdb.cli import shell
from thano_duckdb.dialect import split_statements

from .blocks import Block

_STUBS = {
    # Each call is kept in a file, and made afterwards in this process.
    "thano_duckdb": 'printf "%s\\0" "$@" > "$(mktemp "$CALLS/XXXXXX")"',
    "make": f'"{shutil.which("make")}" --no-print-directory -n -C "{REPOSITORY}" "$@"',
}
"""What a shell block calls in place of the command of that name."""


class PageRun:
    """The blocks of a page, on one connection and in one folder, which is the working folder.

    Args:
        blocks: of the page, in order.
        con: the connection that SQL blocks run on, and that Python blocks find as `con`.
        folder: the working folder.
    """

    def __init__(self, blocks: list[Block], con: thano_duckdb.Connection, folder: Path) -> None:
        self._left = list(blocks)
        self._con = con
        self._folder = folder
        self._namespace: dict[str, Any] = {"con": con, "thano_duckdb": thano_duckdb}
        self.output = ""
        """What the last block that ran has printed."""

    def run(self, block: Block) -> None:
        """Run a block, after those before it that have not run yet."""
        while block in self._left:
            current = self._left.pop(0)
            if current.not_run is None and current.language != "text":
                self.output = self._run(current)

    def close(self) -> None:
        """Close the connections that the blocks have opened."""
        for value in self._namespace.values():
            if isinstance(value, thano_duckdb.Connection):
                value.close()

    def _run(self, block: Block) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            {"sql": self._run_sql, "python": self._run_python, "sh": self._run_shell}[block.language](block)
        return output.getvalue()

    def _run_sql(self, block: Block) -> None:
        for statement in split_statements(block.text):
            relation = self._con.sql(statement)
            if relation is not None:
                relation.fetchall()

    def _run_python(self, block: Block) -> None:
        exec(compile(block.text, str(block), "exec"), self._namespace)

    def _run_shell(self, block: Block) -> None:
        stubs, calls = self._folder / ".stubs", self._folder / ".calls"
        for folder in (stubs, calls):
            folder.mkdir()
        for name, script in _STUBS.items():
            (stubs / name).write_text(f"#!/bin/sh\n{script}\n")
            (stubs / name).chmod(0o755)
        environment = {**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}", "CALLS": str(calls)}
        subprocess.run(["bash", "-euc", block.text], check=True, env=environment, timeout=60, stdout=subprocess.DEVNULL)
        for call in sorted(calls.iterdir()):
            assert shell.main(call.read_text().removesuffix("\0").split("\0")) == 0, block.text


def check_syntax(block: Block) -> None:
    """Parse a block that cannot run.

    Raises:
        Exception: of the dialect, DuckDB, Python or bash.
    """
    if block.language == "sql":
        duckdb.extract_statements(thano_duckdb.rewrite(block.text))
    elif block.language == "python":
        compile(block.text, str(block), "exec")
    elif block.language == "sh":
        subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
