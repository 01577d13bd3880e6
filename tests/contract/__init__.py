"""The contract, over sockets."""
