"""Motion capture, generated people with known truth, and error measures."""
