"""Every query of automation_service, and its tables."""
