"""Programs as processes of their own, and the ports that they take."""
