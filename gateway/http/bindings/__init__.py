"""The bindings of the contract: the calls, their paths, and which one a request means."""
