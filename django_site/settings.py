"""Settings of the site, all from the environment, all with defaults that are safe on a network.

EDGE_DATA               the folder of the databases and the secret key   ./edge-data
EDGE_DEBUG              1 shows tracebacks to whoever causes them        0
EDGE_ALLOWED_HOSTS      more names by which browsers may call the box
EDGE_TRUSTED_ORIGINS    origins in front of a proxy: https://edge.example
EDGE_HTTPS              1 sends cookies over TLS only                    0
EDGE_HTTPS_ONLY         1 leads browsers from the plain pages to HTTPS   0
EDGE_TLS_CERT           a certificate of one's own, with its chain       the box's
EDGE_TLS_KEY            its private key
EDGE_KEEP_PACKETS       packets kept                                     50000
EDGE_KEEP_STATIONS      stations kept                                    20000
EDGE_KEEP_STATION_DAYS  days that a silent station is kept               90
EDGE_KEEP_OUTBOX        entries of the outbox kept once they are done    1000
EDGE_OUTBOX_ENTRIES     entries that may wait for one device             10000
EDGE_OUTBOX_BYTES       bytes that may wait for one device               16777216
EDGE_OUTBOX_DROP_OLDEST 1: at that bound the oldest makes room           0
EDGE_LAYER              an MQTT broker, where processes share the layer
"""

from pathlib import Path
from typing import Any

from django_site.environment import AnyAddress, channel_layers, data_folder, flag, host_names, number, secret_key, words

DATA = data_folder()
HERE = Path(__file__).parent

DEBUG = flag("EDGE_DEBUG")
SECRET_KEY = secret_key(DATA)
ALLOWED_HOSTS = ["localhost", AnyAddress(), *host_names(), *words("EDGE_ALLOWED_HOSTS")]
CSRF_TRUSTED_ORIGINS = words("EDGE_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "edge",
    "django_site.access",
    "django_site.devices",
    "django_site.outbox",
    "django_site.stations",
    "django_site.dashboard",
    "django_site.tls",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django_site.tls.middleware.HttpsOnlyMiddleware",
    "django_site.policy.ContentSecurityPolicyMiddleware",
    "django_site.static_files.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "django_site.urls"
ASGI_APPLICATION = "django_site.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [HERE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def sqlite(name: str, *, synchronous: str) -> dict[str, Any]:
    """Describe one SQLite file.

    When the power goes, WAL with FULL loses nothing that was acknowledged; with NORMAL it loses the last seconds, is
    never malformed, and spares the card. With IMMEDIATE a writer waits its turn, where it would fail to upgrade a lock.
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / f"{name}.sqlite3",
        "OPTIONS": {
            "timeout": 5,  # seconds that a writer waits for its turn
            "transaction_mode": "IMMEDIATE",
            "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous};",
        },
        # A file: a database in memory has neither WAL nor the locks that the tests look at.
        "TEST": {"NAME": DATA / f"test-{name}.sqlite3"},
    }


# What a person decided, and what was heard: one must never be lost, the other is written all day long.
DATABASES = {
    "default": sqlite("edge", synchronous="FULL"),
    "history": sqlite("history", synchronous="NORMAL"),
}
DATABASE_ROUTERS = ["django_site.routers.HistoryRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# In memory, by its own default, unless a broker is named for processes to share.
if SHARED_LAYERS := channel_layers(SECRET_KEY):
    CHANNEL_LAYERS = SHARED_LAYERS

KEEP_PACKETS = number("EDGE_KEEP_PACKETS", 50_000)
KEEP_STATIONS = number("EDGE_KEEP_STATIONS", 20_000)
KEEP_STATION_DAYS = number("EDGE_KEEP_STATION_DAYS", 90)
KEEP_OUTBOX = number("EDGE_KEEP_OUTBOX", 1000)
OUTBOX_ENTRIES = number("EDGE_OUTBOX_ENTRIES", 10_000)
OUTBOX_BYTES = number("EDGE_OUTBOX_BYTES", 16_777_216)
OUTBOX_DROP_OLDEST = flag("EDGE_OUTBOX_DROP_OLDEST")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "live"
LOGOUT_REDIRECT_URL = "login"

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = flag("EDGE_HTTPS")
HTTPS_ONLY = flag("EDGE_HTTPS_ONLY")
X_FRAME_OPTIONS = "DENY"

# Files are served from where the packages have them: no step between installing and running that could be forgotten.
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"  # as radio logs are written; pages show times in the browser's own zone where they say so
USE_TZ = True
USE_I18N = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"hide_login_links": {"()": "django_site.access.logs.HideLoginLinks"}},
    "formatters": {"plain": {"format": "%(levelname)s %(name)s: %(message)s"}},  # the journal knows the time
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["hide_login_links"]},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
    },
}
