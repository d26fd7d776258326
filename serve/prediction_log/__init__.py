"""What was priced, written down off the answer's path."""
