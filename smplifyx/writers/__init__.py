"""Fitted bodies for other programs: one file per format, and the table of them."""
