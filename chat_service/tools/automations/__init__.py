"""Tools that read and change automations."""
