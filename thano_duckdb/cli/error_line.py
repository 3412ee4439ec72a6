"""An error as the shell and the demo print it."""

from __future__ import annotations


def error_line(error: Exception) -> str:
    """`Error: ` and what is wrong; of a file that the operating system refuses, its name without an error number."""
    if isinstance(error, OSError) and error.strerror:
        named = f"{error.filename}: " if error.filename is not None else ""
        return f"Error: {named}{error.strerror}"
    return f"Error: {error}"
