"""What an idle Edge stands beside: Django with its admin and Channels, one file, run by the uvicorn command."""

import os

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

APPS = ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")
MIDDLEWARE = (
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
)
CONTEXT = ("django.template.context_processors.request", "django.contrib.auth.context_processors.auth")
CONTEXT = (*CONTEXT, "django.contrib.messages.context_processors.messages")
TEMPLATES = "django.template.backends.django.DjangoTemplates"

settings.configure(
    SECRET_KEY="of a bench",
    ROOT_URLCONF="bench.peer_site",
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=[f"django.contrib.{name}" for name in APPS],
    MIDDLEWARE=MIDDLEWARE,
    TEMPLATES=[{"BACKEND": TEMPLATES, "APP_DIRS": True, "OPTIONS": {"context_processors": CONTEXT}}],
    DATABASES={
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("BENCH_DATABASE", ":memory:")}
    },
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    STATIC_URL="/static/",
)
django.setup()

from django.contrib import admin  # noqa: E402  (after the settings)
from django.urls import path  # noqa: E402  (as above)

urlpatterns = [path("admin/", admin.site.urls)]
websockets = URLRouter([path("ws/", AsyncWebsocketConsumer.as_asgi())])
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": websockets})
