"""Fused attention: PyTorch's own, forward and backward, other packages' kernels, and transformers' layers."""
