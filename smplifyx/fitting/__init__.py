"""From evidence to bodies: first guess, stages, result, and how far it can be believed."""
