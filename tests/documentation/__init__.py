"""The code of README.md and of the pages under docs/ does what the pages say."""
