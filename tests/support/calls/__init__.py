"""Calls as clients make them, and what answers say."""
