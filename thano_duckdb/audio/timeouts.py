"""How long a server may keep silent. The option `timeout` limits a whole download."""

CONNECT_S = 10
READ_S = 60
