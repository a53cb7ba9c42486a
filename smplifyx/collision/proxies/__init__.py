"""Spheres inside a body that the solver holds apart in place of its mesh."""
