"""A turn's life: lease, frames, end, recovery and expiry."""
