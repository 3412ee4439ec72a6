"""`make bench`, or `python -m benchmarks NAME .. [options of that benchmark]`."""

from __future__ import annotations

import importlib
import itertools
import subprocess
import sys

ALL = (
    "rewriter",
    "start",
    "single_clip",
    "overhead",
    "peers",
    "training",
    "build_memory",
    "decoding",
    "level",
    "scale",
    "scaling",
    "cached_rows",
    "language_model",
    "host",
    "wide",
    "silence",
    "media",
    "remote",
    "gpu",
)


def main() -> int:
    """Run the named benchmarks in this process, or all of them, each in its own."""
    names = list(itertools.takewhile(lambda argument: not argument.startswith("-"), sys.argv[1:]))
    options = sys.argv[1 + len(names) :]
    if names:
        for name in names:
            importlib.import_module(f"benchmarks.{name}").main(*options)
        return 0
    return max(subprocess.run([sys.executable, "-m", "benchmarks", name], check=False).returncode for name in ALL)


if __name__ == "__main__":
    sys.exit(main())
