#!/bin/sh
# One command on a machine with an NVIDIA GPU: installs the project into .venv if needed, and measures.
set -eu
cd "$(dirname "$0")/.."
make .venv/.installed
exec .venv/bin/python -m benchmarks gpu "$@"
