"""Which fits are good enough to be kept, part by part, and why the others are not."""
