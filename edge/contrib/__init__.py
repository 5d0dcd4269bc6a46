"""Consumers that are useful as they are: a route can name them without a line of code."""
