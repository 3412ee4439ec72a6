"""The magics over JupySQL: `%load_ext thano_duckdb`, `%%sql` and `%%thanosql`."""
