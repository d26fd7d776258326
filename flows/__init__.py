"""Chains of tasks, without logic of their own."""
