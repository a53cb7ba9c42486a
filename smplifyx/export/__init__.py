"""Fitted bodies for other programs."""
