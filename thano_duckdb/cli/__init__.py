"""The command line: the shell and the demo."""
