"""The search for a model's best parameters: the space, the objective, and what drives it."""
