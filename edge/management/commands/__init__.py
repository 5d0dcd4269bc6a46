"""Commands of `manage.py` for projects that have ``"edge"`` among their ``INSTALLED_APPS``."""
