"""HTTP to other services: a pool of connections whose responses a parser in C reads."""
