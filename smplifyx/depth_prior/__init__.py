"""How deep bones lie, told from 2D keypoints by a small network that has seen many people."""
