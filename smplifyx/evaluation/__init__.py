"""Errors of fitted bodies against known truth."""
