"""The routes: each makes its handlers from the parts that they need."""
