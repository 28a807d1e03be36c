"""Sums, means, extremes and norms: of whole tensors, in groups, and over lists of tensors."""
