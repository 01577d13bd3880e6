"""JSON as messages of the contract, by their descriptors, and back."""
