"""The pages of the site. WebSockets have their own list in `django_site.dashboard.routing`."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

admin.site.site_url = None  # the templates link to our pages by their names

urlpatterns = [
    # One page to sign in on, which also says what to do without a password.
    path("admin/login/", RedirectView.as_view(pattern_name="login", query_string=True)),
    path("admin/", admin.site.urls),
    path("tls/", include("django_site.tls.urls")),
    path("", include("django_site.access.urls")),
    path("", include("django_site.dashboard.urls")),
]
