"""Body models: files, arrays, skinning, and the canonical points on them."""
