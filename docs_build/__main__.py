"""`python -m docs_build`: write the generated pages of `docs/reference/`; `make docs` does this before it builds."""

from __future__ import annotations

from docs_build.pages import write_pages

write_pages()
