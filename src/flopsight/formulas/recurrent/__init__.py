"""Recurrent layers, cells and state-space scans, forward and backward."""
