"""Costs by operator: one file or folder per family of operators, and the vocabulary that they are written in."""
