"""Templates: how they are read, and the function that renders a step within limits."""
