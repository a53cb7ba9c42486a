"""What everything stands on: bundles of tensors, rotations, arithmetic that keeps bits, threads,
files, messages.
"""
