"""Tests of the notebook interface: magics over JupySQL, players, pages."""
