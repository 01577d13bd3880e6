"""Random requests of every public call, made by the descriptors, against the whole system.

`python -m tests.fuzz` runs any number of them; a slice of them is a test.
"""
