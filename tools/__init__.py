"""The programs that `make` runs: set-up, generators and checks."""
