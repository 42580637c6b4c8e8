"""How fast the classic models and the press are. `make bench` runs all."""
