"""Training of body-pose priors from motion capture."""
