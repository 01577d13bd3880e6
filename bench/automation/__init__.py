"""Slots and runs of automation_service, beside other queues, and what a run waits for."""
