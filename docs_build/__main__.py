"""`python -m docs_build`: write the generated pages of `docs/reference/`; `make docs` does this before it builds.

`python -m docs_build pictures` makes the pictures of `docs/assets/` anew, and `python -m docs_build notebook` runs the
notebook and stores it with its outputs; both need Chromium.
"""

from __future__ import annotations

import sys

from docs_build.pages import write_pages

match sys.argv[1:]:
    case []:
        write_pages()
    case ["pictures"]:
        from docs_build.pictures import write_pictures  # needs more than `make docs` does

        write_pictures()
    case ["notebook"]:
        from docs_build.stored_notebook import write_notebook

        write_notebook()
    case _:
        sys.exit("usage: python -m docs_build [pictures | notebook]")
