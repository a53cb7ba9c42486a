"""What networks predicted of people: read from their files, matched to the people who were seen."""
