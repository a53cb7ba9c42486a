"""From which confidence on a point counts; readers, fits and reports agree on these."""

SEEN = 0.1  # a confidence below this counts as not seen: such points only blur a fit
CONFIDENT = 0.3  # a confidence above this counts as evidence
