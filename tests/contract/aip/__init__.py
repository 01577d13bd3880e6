"""What the AIPs ask of every call that has it: dry runs, filters, pages and request ids."""
