"""Several calibrated cameras of one moment: geometry alone."""
