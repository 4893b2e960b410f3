"""What each exercise must do: one module for each lesson, and `core` for how a check runs and speaks."""
