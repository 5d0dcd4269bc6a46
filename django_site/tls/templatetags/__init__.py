"""Template tags of HTTPS."""
