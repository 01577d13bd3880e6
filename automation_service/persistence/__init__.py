"""What automation_service stores, in the schema `automation`."""
