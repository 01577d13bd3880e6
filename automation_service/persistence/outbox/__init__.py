"""What is to be sent: results of runs, and messages to webhooks."""
