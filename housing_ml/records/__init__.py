"""What each stage hands on: frozen, small, JSON; data are referred to, not held.

One module for each stage, so that a change of one stage's record recomputes no other stage.
"""
