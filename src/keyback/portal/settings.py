"""Django's settings, from the portal's configuration. Closed by default; what is switched off is commented."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from keyback.portal import config as _config
from keyback.portal.keyring import Keyring

CONFIG = _config.read()
KEYRING = Keyring(CONFIG.keys_dir)
_HERE = Path(__file__).parent

# The agents' door and the workers have no sessions, and need not hold this key. Django refuses to work with an empty
# one, so without it nothing is signed or believed; the people's door asks for it before it serves.
SECRET_KEY = KEYRING.django if KEYRING.holds("django.key") else ""
DEBUG = False
ALLOWED_HOSTS = [CONFIG.host_header]

INSTALLED_APPS = [
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "keyback.portal.organizations",
    "keyback.portal.agents",
    "keyback.portal.people",
    "keyback.portal.securityinfo",
    "keyback.portal.limits",
    "keyback.portal.audit",
    "keyback.portal.messages",
    "keyback.portal.writeback",
    "keyback.portal.recovery",
    "keyback.portal.humancheck",
    "keyback.portal.account",
    "keyback.portal",
]


def _database(url: str) -> dict[str, Any]:
    if url.startswith("sqlite:///"):
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": url.removeprefix("sqlite:///"),
            # Rollback journal: Debian's SQLite has the WAL-reset corruption bug. IMMEDIATE: a transaction that will
            # write takes the lock at its start, so it waits instead of failing half-way.
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA synchronous=FULL;",
            },
            "CONN_MAX_AGE": None,
        }
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        # Statements that come again are parsed and planned once for each connection: a third of the database's work,
        # and a quarter of ours. A pooler between must know prepared statements (PgBouncer does since 1.21).
        "OPTIONS": {"server_side_binding": True, "prepare_threshold": 3},
    }


DATABASES = {"default": _database(CONFIG.database)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MIDDLEWARE = [
    "keyback.portal.middleware.TrackingMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "keyback.portal.middleware.NoStoreMiddleware",
    "keyback.portal.middleware.ReadyMiddleware",
    "csp.middleware.CSPMiddleware",
    "keyback.portal.screen.ScreenMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "keyback.portal.middleware.LanguageMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "keyback.portal.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # A way to prove who one is brings its own pages along.
        "DIRS": sorted((_HERE / "methods").glob("*/templates")),
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "keyback.portal.context.page",
            ]
        },
    }
]

STATIC_URL = "/static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True  # each file is served from where it is installed; nothing is gathered anywhere

LANGUAGE_CODE = "en"
LANGUAGES = [
    ("en", "English"),
    ("de", "Deutsch"),
    ("es", "Español"),
    ("fr", "Français"),
    ("it", "Italiano"),
    ("ja", "日本語"),
    ("nl", "Nederlands"),
    ("pl", "Polski"),
    ("pt", "Português"),
    ("zh-hans", "简体中文"),
]
LANGUAGE_COOKIE_NAME = "__Host-keyback-language" if CONFIG.secure else "keyback-language"
LOCALE_PATHS = [_HERE / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"

# Sessions hold only which recovery this browser is in. A recovery lasts 15 minutes at most; its session outlives it, so
# that whoever submitted in the last second still sees how it ended.
SESSION_ENGINE = "keyback.portal.sessions"
SESSION_COOKIE_NAME = "__Host-keyback" if CONFIG.secure else "keyback"
SESSION_COOKIE_SECURE = CONFIG.secure
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 60 * 60
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
CSRF_COOKIE_NAME = "__Host-keyback-csrf" if CONFIG.secure else "keyback-csrf"
CSRF_COOKIE_SECURE = CONFIG.secure
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_FAILURE_VIEW = "keyback.portal.errors.csrf_failure"

SECURE_HSTS_SECONDS = 31_536_000 if CONFIG.secure else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
# Not "no-referrer": browsers then send "Origin: null" with every form, which the CSRF check must refuse.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "worker-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "media-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

# Bounds on what a request may bring (Django answers 400). The largest honest form holds the boxes of some agents.
DATA_UPLOAD_MAX_MEMORY_SIZE = 262_144
DATA_UPLOAD_MAX_NUMBER_FIELDS = 50
DATA_UPLOAD_MAX_NUMBER_FILES = 0

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"no_request": {"()": "keyback.portal.logs.WithoutRequest"}},
    "formatters": {"line": {"()": "keyback.portal.logs.JsonLine"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["no_request"]}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "httpx2": {"level": "WARNING"},  # would log each address, which holds digits of a password's hash
    },
}
# A crash report never shows local variables or settings, whatever the level of the logger.
DEFAULT_EXCEPTION_REPORTER = "keyback.portal.logs.SilentReporter"
