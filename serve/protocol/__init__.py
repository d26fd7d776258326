"""What stands between a socket and the app: limits for heads, for waiting and for connections."""
