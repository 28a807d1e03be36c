"""What a run could leave its marks in, noted before and put back."""
