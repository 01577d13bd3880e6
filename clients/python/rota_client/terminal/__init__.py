"""What `rota` shows and asks."""
