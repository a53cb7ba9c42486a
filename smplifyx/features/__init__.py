"""Quantities of a posed body that terms look at: where they are, and how they move with the
unknowns.
"""
