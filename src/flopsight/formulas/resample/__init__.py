"""Resizing, and sampling on a grid, forward and backward."""
