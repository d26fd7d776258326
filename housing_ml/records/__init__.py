"""What stages hand on: frozen, small, JSON; words that compute nothing."""
