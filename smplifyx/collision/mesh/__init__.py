"""The exact check: which triangles of a posed mesh cut each other, and how deep vertices lie
inside.
"""
