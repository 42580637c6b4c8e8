"""How fast the models, the engine and the press are: `make bench`."""
