"""Destinations: settings, secrets, verification and pauses of the places where results go."""
