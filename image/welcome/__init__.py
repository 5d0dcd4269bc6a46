"""The box's screen says where its page is, and how to get in the first time."""
