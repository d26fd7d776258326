"""Compare, search, fit and evaluate models."""
