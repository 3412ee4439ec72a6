"""Word n-gram language models: built from text, read from ARPA files, and scored. Knows nothing of audio or torch."""
