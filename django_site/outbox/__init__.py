"""The outbox's table, who writes it, and its page in the admin. What it means is known by `edge.outbox`."""
