"""Know when the model is wrong, and what to do: drift, live error, feedback, retraining."""
