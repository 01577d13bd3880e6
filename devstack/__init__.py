"""`make run`: runs everything Rota needs on one machine, as one process tree."""
