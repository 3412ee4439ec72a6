"""How what ships with the package is made: the tutorial's clips and the small English model. See README.md."""
