"""HTTP of model calls: a pool of connections whose responses a parser in C reads."""
