"""HTML pages and plots to look at, in a notebook or in a file."""
