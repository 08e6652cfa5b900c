"""The only settings file. Every value that may differ between machines comes from `emm.environment`."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
import sentry_sdk
from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from emm import engines, environment

BASE_DIR = Path(__file__).resolve().parent.parent

engines.load_environment()
_problems = environment.problems(os.environ)
if _problems:
    raise ImproperlyConfigured(" ".join(_problems))


def _value(name: str) -> Any:
    return environment.value_of(name, os.environ)


ENVIRONMENT: str = _value("ENVIRONMENT")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = False
PORT: int = _value("PORT")
PUBLIC_URL: str = (_value("PUBLIC_URL") or f"http://127.0.0.1:{PORT}").rstrip("/")
SECRET_KEY: str = _value("SECRET_KEY") or engines.secret("secret_key")
EMM_ENCRYPTION_KEY: str = (
    _value("EMM_ENCRYPTION_KEY")
    or base64.urlsafe_b64encode(hashlib.sha256(b"credentials:" + SECRET_KEY.encode()).digest()).decode()
)

# Apps, in the order of the house: lower rooms after the libraries that they stand on.
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_prometheus",
    "django_structlog",
    "corsheaders",
    "csp",
    "emm",
    "notion_sync",
    "analysis",
    "ops",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "emm.meter.MeasureRequests",
    "emm.middleware.RequestId",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "emm.urls"
WSGI_APPLICATION = "emm.wsgi.application"
ASGI_APPLICATION = "emm.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
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

# Engines
if not os.environ.get("DATABASE_URL") or not os.environ.get("REDIS_URL"):
    raise ImproperlyConfigured("DATABASE_URL and REDIS_URL are unset: start through manage.py, main.py or emm.celery.")
REDIS_URL = os.environ["REDIS_URL"]
DATABASES = {
    "default": {
        **environ.Env.db_url_config(os.environ["DATABASE_URL"]),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
    }
}
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 2)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
    }
}

# Celery: ids only, late acks; correctness comes from the rows, so a message may be lost or come twice.
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_DEFAULT_QUEUE = "sync"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 25
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_timeout": 30,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 25,
    "retry_on_timeout": True,
    "global_keyprefix": "celery.",
}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
DJANGO_CELERY_BEAT_TZ_AWARE = True

# Notion
SANDBOX_URL = f"http://127.0.0.1:{PORT + 1}"
NOTION_API_KEY: str = _value("NOTION_API_KEY") or ""
NOTION_IS_SANDBOX = not NOTION_API_KEY and not PRODUCTION
if NOTION_IS_SANDBOX:
    NOTION_API_KEY = "sandbox"
NOTION_ADDRESS: str = _value("NOTION_BASE_URL") or "https://api.notion.com"
NOTION_BASE_URL = f"{SANDBOX_URL}/notion" if NOTION_IS_SANDBOX and not _value("NOTION_BASE_URL") else NOTION_ADDRESS
NOTION_PARENT_PAGE: str = _value("NOTION_PARENT_PAGE") or ""
NOTION_DATABASES: dict[str, str] = {
    name: _value(name) for name in environment.BY_NAME if name.startswith("NOTION_DB_") and _value(name)
}
NOTION_REQUESTS_PER_MINUTE: int = _value("NOTION_REQUESTS_PER_MINUTE")
NOTION_BURST: int = _value("NOTION_BURST")
POLLING_INTERVAL_SECONDS: int = _value("POLLING_INTERVAL_SECONDS")
POLLING_INTERVAL_MINIMUM = 10 if PRODUCTION else 1
OUTBOX_QUARANTINE = timedelta(seconds=_value("OUTBOX_QUARANTINE_SECONDS"))
OUTBOX_SECOND_LOOK = timedelta(seconds=20)
OUTBOX_LEASE = timedelta(seconds=_value("OUTBOX_LEASE_SECONDS"))
UNDO_SECONDS: int = _value("UNDO_SECONDS")

# Doors that a signature opens; a door without its secret is closed. Notion's secret is a credential.
SLACK_SIGNING_SECRET: str = _value("SLACK_SIGNING_SECRET") or ""
MAIL_WEBHOOK_SECRET: str = _value("MAIL_WEBHOOK_SECRET") or ""

# Claude
ANTHROPIC_API_KEY: str = _value("ANTHROPIC_API_KEY") or ""
ANTHROPIC_IS_SANDBOX = not ANTHROPIC_API_KEY and not PRODUCTION
if ANTHROPIC_IS_SANDBOX:
    ANTHROPIC_API_KEY = "sandbox"
ANTHROPIC_ADDRESS: str = _value("ANTHROPIC_BASE_URL") or "https://api.anthropic.com"
ANTHROPIC_BASE_URL = (
    f"{SANDBOX_URL}/claude" if ANTHROPIC_IS_SANDBOX and not _value("ANTHROPIC_BASE_URL") else ANTHROPIC_ADDRESS
)
ANTHROPIC_MODELS: dict[str, str] = {
    purpose: _value(f"ANTHROPIC_MODEL_{purpose.upper()}") or _value("ANTHROPIC_MODEL")
    for purpose in ("triage", "persona", "synthesis")
}
for persona in ("entrepreneur", "quant", "auditor"):  # those that have a model of their own
    if model := _value(f"ANTHROPIC_MODEL_{persona.upper()}"):
        ANTHROPIC_MODELS[persona] = model
BUDGETS_USD = {scope: _value(f"BUDGET_{scope.upper()}_USD") for scope in ("day", "month", "item")}

# Security: sessions and CSRF are for the console; the API knows tokens only.
ALLOWED_HOSTS: list[str] = _value("ALLOWED_HOSTS") or ["*"]
TRUSTED_PROXIES: list[str] = _value("TRUSTED_PROXIES")
CORS_ALLOWED_ORIGINS: list[str] = _value("ALLOWED_ORIGINS")
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = [
    "accept",
    "authorization",
    "content-type",
    "idempotency-key",
    "x-request-id",
    _value("API_KEY_HEADER").lower(),
]
CORS_EXPOSE_HEADERS = ["idempotency-replayed", "retry-after", "x-request-id"]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^health", r"^metrics$"]  # load balancers and scrapers ask without TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PRODUCTION else None
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
SECURE_HSTS_PRELOAD = PRODUCTION
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        # The console's framework evaluates its attributes (Alpine); no inline script runs without our nonce.
        "script-src": [SELF, UNSAFE_EVAL, NONCE],
        "style-src": [SELF, "'unsafe-inline'"],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# API
API_KEY: str = _value("API_KEY") or ""
API_KEY_HEADER: str = _value("API_KEY_HEADER")
RATE_LIMIT_ENABLED: bool = _value("RATE_LIMIT_ENABLED")
RATE_LIMIT_PER_MINUTE: int = _value("RATE_LIMIT_PER_MINUTE")
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["emm.tokens.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["emm.tokens.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["emm.api.BoundedJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "emm.api.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "emm.api.problem",
    "UNAUTHENTICATED_USER": None,
}
RATELIMIT_FAIL_OPEN = True
SPECTACULAR_SETTINGS = {
    "TITLE": "Executive Mind Matrix",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "ENUM_NAME_OVERRIDES": {
        "JobStatus": "emm.jobs.Job.Status",
        "PollerStatus": "notion_sync.models.Poller.Status",
        "Persona": "analysis.api.PERSONAS",
        "ItemState": "notion_sync.models.InboxItem.State",
        "ProofState": "ops.models.State",
        "StandingState": "ops.readiness.STATES",
        "ReleaseStatus": "ops.models.Release.Status",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# Console
UNFOLD = {
    "SITE_TITLE": "Executive Mind Matrix",
    "SITE_HEADER": "Executive Mind Matrix",
    "SITE_SYMBOL": "psychology",
    "DASHBOARD_CALLBACK": "ops.home.show",
    "SITE_DROPDOWN": [{"icon": "help", "title": "Help", "link": "/admin/help/"}],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("emm/icon.svg")}],
    "STYLES": [lambda request: static("emm/console.css")],
}

# Time and language
LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = "emm.formats"

# Static files
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not PRODUCTION
BACKUP_DIR: str = _value("BACKUP_DIR") or ("" if PRODUCTION else str(engines.state_dir() / "backups"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "backups": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": BACKUP_DIR or None,
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# Logs: one line each, with the request's and the item's id; secrets never reach them.
LOG_LEVEL: str = _value("LOG_LEVEL")
LOGGING_CONFIG = "emm.logs.configure"
LOGGING = {"level": LOG_LEVEL, "json": _value("JSON_LOGS")}
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_CELERY_DEFAULT_LOG_LEVEL = DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True  # emm.middleware has made it safe
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_USER_ID_FIELD = ""  # reading it would ask the database on every request

# Sign-offs
ONE_PERSON_MANY_ROLES = False

# Errors and metrics
ENABLE_METRICS: bool = _value("ENABLE_METRICS")
METRICS_TOKEN: str = _value("METRICS_TOKEN") or ""
if _value("SENTRY_DSN"):
    from sentry_sdk.integrations.anthropic import AnthropicIntegration  # it imports the whole SDK: two seconds

    sentry_sdk.init(
        dsn=_value("SENTRY_DSN"),
        environment=ENVIRONMENT,
        traces_sample_rate=_value("SENTRY_TRACES_SAMPLE_RATE"),
        send_default_pii=False,
        integrations=[AnthropicIntegration(include_prompts=False)],
    )
