"""Fitted bodies for other programs, one file per format."""
