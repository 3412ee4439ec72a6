"""How the data of the package is made: the clips of the tutorial and the small English model. See README.md."""
