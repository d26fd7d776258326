"""Which model answers, and what it says."""
