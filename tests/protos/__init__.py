"""What the contract says of itself: annotations, comments and names, by descriptor."""
