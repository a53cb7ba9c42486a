"""Bodies that do not pass through themselves or through each other: parts, balls, and the exact check on the mesh."""
