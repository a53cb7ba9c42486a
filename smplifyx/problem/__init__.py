"""The energy as a value: unknowns, weighted terms, their chain rule and their normal equations."""
