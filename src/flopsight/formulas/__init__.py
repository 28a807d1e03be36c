"""Costs by operator, one file per family of operators."""
