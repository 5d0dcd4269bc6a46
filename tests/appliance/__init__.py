"""The image, booted and pulled about; run by scripts/appliance-test, as it is too slow for pytest."""
