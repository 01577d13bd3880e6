"""What a run of the suite does once for all of its tests."""
