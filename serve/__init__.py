"""The service that answers with the champion's prices."""
