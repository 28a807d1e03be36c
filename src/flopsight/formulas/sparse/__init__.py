"""Products with sparse tensors, and conversions between their layouts."""
