"""Is the model wrong, and what to do about it?"""
