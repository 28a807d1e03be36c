"""Normalizations, forward and backward."""
