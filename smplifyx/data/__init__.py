"""Motion capture as SMPL-X poses, and synthetic people with known truth."""
