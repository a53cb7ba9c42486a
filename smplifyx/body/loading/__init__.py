"""From body model files to a `BodyModel`, without running anything that a file holds."""
