"""The service that stores automations, fires their schedules and executes their runs."""
