"""The parts of a step: templates, result, retries and deliveries."""
