"""What Rota costs, measured side by side in one run."""
