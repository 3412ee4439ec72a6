"""`python -m thano_duckdb`."""

import sys

from .cli.shell import main

sys.exit(main())
