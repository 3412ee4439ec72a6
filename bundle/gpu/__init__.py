"""How the small model is trained on a GPU. But for pack.py nothing here imports thano_duckdb: it travels alone."""
