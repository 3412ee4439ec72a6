"""The notebook face: magics over JupySQL, players, pages."""
