"""What `make` runs: set-up, generators and checks of this repository."""
