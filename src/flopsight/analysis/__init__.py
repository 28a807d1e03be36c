"""Answers computed from a profile: pure functions, without torch. One file each."""
