"""Convolutions, forward and backward, and transposed ones."""
