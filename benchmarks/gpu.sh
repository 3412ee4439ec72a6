#!/bin/sh
# One command on a machine with an NVIDIA GPU: installs the project into .venv if needed, and measures.
# Without a network, name a Python that has the dependencies: PYTHON=python3 benchmarks/gpu.sh
set -eu
cd "$(dirname "$0")/.."
if [ -z "${PYTHON:-}" ]; then
    make .venv/.installed
    PYTHON=.venv/bin/python
fi
exec "$PYTHON" -m benchmarks gpu "$@"
