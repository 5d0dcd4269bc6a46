"""Who may come in: one-time login links in the place of a default password."""
