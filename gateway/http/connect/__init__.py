"""The Connect protocol, in JSON and in proto, for the calls of the contract."""
