"""What can make an automation run."""
