"""The commands of `rota`: what each takes, asks and prints."""
