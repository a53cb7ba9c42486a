"""Bodies that do not pass through themselves or through each other: parts, spheres, and the exact
check on the mesh.
"""
