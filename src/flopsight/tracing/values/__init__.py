"""What there is of values in a run that computes nothing: constants, and what is assumed."""
