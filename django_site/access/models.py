"""One-time login links, of which only a hash is kept."""

from django.conf import settings
from django.db import models


class LoginLink(models.Model):
    """A link that was given out and not used yet. Using it deletes the row; a new link replaces the old ones."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="login_links")
    digest = models.CharField(max_length=64, unique=True)  # SHA-256 of the token, in hexadecimal
    expires = models.DateTimeField()

    class Meta:
        """Nothing out of the ordinary; rows are few and live for minutes."""

        verbose_name = "login link"

    def __str__(self) -> str:
        return f"login link for {self.user}, until {self.expires:%H:%M} UTC"
