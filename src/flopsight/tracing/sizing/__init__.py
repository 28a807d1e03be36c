"""Sizes with names: followed through a run, and closed forms held to runs at other sizes."""
