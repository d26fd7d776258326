"""What may go, and when: old results, bundles that nobody rolls back to, logs and runs by age."""
