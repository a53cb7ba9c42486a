"""What was seen of each person, as the terms compare the body with it."""
