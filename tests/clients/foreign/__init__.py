"""Clients of other stacks, each a small program that does the same with generated code.

`python -m tests.clients.foreign [STACK …]` runs those whose toolchain is on this machine.
"""
