"""Canary and shadow, in the service."""
