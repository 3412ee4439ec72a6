"""`make bench`, or `python -m benchmarks NAME ..`."""

from __future__ import annotations

import importlib
import subprocess
import sys

ALL = ("rewriter", "start", "overhead", "training", "memory")


def main() -> int:
    """Run the named benchmarks in this process, or all of them, each in its own."""
    if names := sys.argv[1:]:
        for name in names:
            importlib.import_module(f"benchmarks.{name}").main()
        return 0
    return max(subprocess.run([sys.executable, "-m", "benchmarks", name], check=False).returncode for name in ALL)


if __name__ == "__main__":
    sys.exit(main())
