"""Linear algebra: factorizations, solutions and what is made with them."""
