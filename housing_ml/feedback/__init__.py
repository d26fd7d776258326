"""What was priced, and what the houses really cost."""
