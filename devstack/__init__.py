"""`make run`: runs everything Rota needs on one machine, as one process tree."""

import os

# gRPC's handlers in a forked child may end it before it becomes PostgreSQL.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
