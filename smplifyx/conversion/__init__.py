"""From one body model to another: which points of two bodies are the same, and parameters from
meshes.
"""
