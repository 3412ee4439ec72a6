"""Notebooks: the magics over JupySQL (`extension`, `magics`, `adapter`), and pages to look at (`player_table`, ..)."""
