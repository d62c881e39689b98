"""Events told to customers' servers: written with the change they tell of, delivered at least once, logged."""
