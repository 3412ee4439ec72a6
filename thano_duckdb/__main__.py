"""`python -m thano_duckdb`."""

import sys

from .shell import main

sys.exit(main())
