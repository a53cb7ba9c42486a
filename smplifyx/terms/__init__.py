"""Terms of the energy: each is a function from a scene to residual rows, its slopes beside it."""
