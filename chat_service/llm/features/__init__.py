"""Optional parts of a request: which a model refuses, and requests without them."""
