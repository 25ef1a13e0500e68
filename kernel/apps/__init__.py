"""Apps: who they are, and the names that lead to them."""
