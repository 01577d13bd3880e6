"""The tables of automation_service and all its queries."""
