"""What a person wants to run: devices and routes as rows, edited in the admin, compiled into one `Desired`."""
