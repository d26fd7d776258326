"""May a model be promoted? Pure rules over gathered evidence."""
