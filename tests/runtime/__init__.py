"""Apps on a real node: what they can do, what they cannot do to others, and how alike they answer elsewhere."""
