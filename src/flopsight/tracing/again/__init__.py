"""Whether a run would do the same again, and its record if so."""
