"""From a moment to pending runs: due slots, decisions, the ledger."""
