"""What is in service: publish, promote, roll back, compare."""
