"""How the hand prior was made: recorded joint positions in, mean and components of SMPL-X's finger
rotations out.
"""
