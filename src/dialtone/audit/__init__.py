"""What was done to an organization's data, by whom and when."""
