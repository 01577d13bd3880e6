"""Time → pending runs: due slots, decisions, the ledger."""
