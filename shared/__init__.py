"""What both services are made of; imports neither."""
