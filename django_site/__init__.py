"""The Django site of the box: users, rows, pages, and the place where everything is put together."""
