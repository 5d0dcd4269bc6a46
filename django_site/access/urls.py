"""Signing in and out."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from django_site.access import views

urlpatterns = [
    path(
        "login/", LoginView.as_view(template_name="access/login.html", redirect_authenticated_user=True), name="login"
    ),
    path("login/<str:token>/", views.LoginLinkView.as_view(), name="login-link"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/", views.ChoosePasswordView.as_view(), name="choose-password"),
]
