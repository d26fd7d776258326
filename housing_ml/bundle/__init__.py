"""The served model: it proves itself, then prices a row or a file of any size."""
