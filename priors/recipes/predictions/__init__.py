"""Makes the cards of `priors/predictions/`: how wrong networks are about people in 3D."""
