"""Records to protobuf messages and back, a module for each noun."""
