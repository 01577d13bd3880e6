"""Imported first, it stops garbage collection: what a process imports stays."""

import gc

gc.disable()
