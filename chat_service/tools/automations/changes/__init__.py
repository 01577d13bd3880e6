"""The changes that tools make to automations, each after an approval."""
