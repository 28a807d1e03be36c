"""What one operator call is: its record with its cost, its results, and the parts of composite ones."""
