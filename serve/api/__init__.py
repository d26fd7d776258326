"""What every request meets before its route."""
