"""What `rota` shows and asks: tables, cards, frames and prompts."""
