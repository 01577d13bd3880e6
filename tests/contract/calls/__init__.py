"""Each call's success and documented refusals, as rows of the table, by service."""
