"""A release beside the champion, and when that ends."""
