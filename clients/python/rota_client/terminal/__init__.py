"""The commands of `rota`: tables, cards and prompts."""
