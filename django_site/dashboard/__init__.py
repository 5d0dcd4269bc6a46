"""The pages for looking: live traffic, heard stations, a chat."""
