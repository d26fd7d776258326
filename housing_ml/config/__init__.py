"""What a person may turn: strict parts, a module for each room."""
