"""What an automation is: the editable envelope and its states."""
