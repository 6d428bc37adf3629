"""Settings, all from the environment. `docs/settings.md` lists every variable (a test compares)."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured("Set SECRET_KEY to a long random text (or DEBUG=1 on a laptop).")
    SECRET_KEY = "insecure-and-only-for-debug"  # noqa: S105 - refused by `check --deploy`
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
# Signs receipts: 32 bytes as base64url (`manage.py receipt_keys --new`); empty: from SECRET_KEY.
RECEIPT_KEY = env.str("RECEIPT_KEY", default="")
RECEIPT_PUBLIC_KEYS = env.list("RECEIPT_PUBLIC_KEYS", default=[])

# The address people and workflows use. Also the audience that ID tokens must carry.
BASE_URL = env.str("BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
SECURE = BASE_URL.startswith("https://")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"] if DEBUG else [])

# --- Google -------------------------------------------------------------------------------------
GOOGLE_CLOUD_PROJECT = env.str("GOOGLE_CLOUD_PROJECT", default="")
WORKFLOWS_LOCATION = env.str("WORKFLOWS_LOCATION", default="us-central1")
WORKFLOWS_EMULATOR_HOST = env.str("WORKFLOWS_EMULATOR_HOST", default="").rstrip("/")
if WORKFLOWS_EMULATOR_HOST and "://" not in WORKFLOWS_EMULATOR_HOST:  # as Google's own are written
    WORKFLOWS_EMULATOR_HOST = f"http://{WORKFLOWS_EMULATOR_HOST}"
# Where the emulator serves gRPC, HOST:PORT of this machine; empty: starts go over REST there.
WORKFLOWS_EMULATOR_GRPC_HOST = env.str("WORKFLOWS_EMULATOR_GRPC_HOST", default="")
IAP_AUDIENCE = env.str("IAP_AUDIENCE", default="")
# Who is asked when a request names nobody: "group:NAME" or "user:E-MAIL", comma-separated.
DEFAULT_APPROVERS = env.list("DEFAULT_APPROVERS", default=[])

# Seconds for which a worker that died keeps its row from the others. Longer than the longest
# round: a token (30), a POST and its repetition after a 401 (45 with its token), two looks at
# Google's state (four reads of 25).
DELIVERY_LEASE = env.int("DELIVERY_LEASE", default=180)
# Of each process: deliveries under way at once, and how many may begin in a second.
DELIVERY_THREADS = env.int("DELIVERY_THREADS", default=8)
DELIVERY_RATE = env.int("DELIVERY_RATE", default=20)

# --- Application --------------------------------------------------------------------------------
INSTALLED_APPS = [
    "approvals.apps.ApprovalsConfig",
    "approvals.apps.OperatorsConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "axes",
    "csp",
    "ninja",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Pages too: a list of fifty is a seventh then. Random padding hides the length of what is told;
    # the form's token is another in every answer.
    "django.middleware.gzip.GZipMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "approvals.middleware.NoStoreMiddleware",
    "approvals.middleware.OriginMiddleware",
    "approvals.access.AccessMiddleware",
    "approvals.languages.LanguageMiddleware",
    "approvals.middleware.ZoneMiddleware",
    # Outside of all that may ask the database, inside of what every answer gets.
    "approvals.trouble.DatabaseTroubleMiddleware",
    "approvals.middleware.JsonErrorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    *(["approvals.iap.IapMiddleware"] if IAP_AUDIENCE else []),
    "approvals.languages.PersonMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- Database -----------------------------------------------------------------------------------
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var")))
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'countersign.sqlite3'}")
}
_database = DATABASES["default"]
# Seconds. SQLite needs room to open its file, so on a full disk only who has it open can read.
_database["CONN_MAX_AGE"] = 60
if _database["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE: a transaction that reads before it writes must not find the database locked.
    _database["OPTIONS"] = {
        "timeout": 20,  # seconds a writer waits for another; the URL may say otherwise
        **_database.get("OPTIONS", {}),
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
else:
    _database["CONN_HEALTH_CHECKS"] = True
    _database["OPTIONS"] = {
        # A server that is gone without a word is given up after seconds, not after the quarter of
        # an hour that TCP takes by itself. The URL may say otherwise.
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,  # milliseconds
        **_database.get("OPTIONS", {}),
        # A migration may take longer: its job sets 0 for this. Compiling a query pays for reports;
        # ours are small, though among a million rows PostgreSQL takes them for large.
        "options": f"-c statement_timeout={env.str('DATABASE_STATEMENT_TIMEOUT', default='5s')}"
        " -c lock_timeout=3s -c idle_in_transaction_session_timeout=10s -c jit=off",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- How much may be asked of the API -----------------------------------------------------------
# Of each caller and person, and of each address without good credentials: number/period.
API_RATE = env.str("API_RATE", default="1200/min")
API_FAILURE_RATE = env.str("API_FAILURE_RATE", default="60/min")
# What is counted is kept here: by each process for itself, unless they share a cache.
CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://?max_entries=10000")}

# --- People and sessions ------------------------------------------------------------------------
AUTH_USER_MODEL = "approvals.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# The first one only refuses: whoever guessed too often is not asked for a password any more.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "approvals.backends.PersonBackend",
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_CALLABLE = "approvals.guessing.person_tried"
AXES_CLIENT_IP_CALLABLE = "approvals.guessing.address_of"
AXES_LOCKOUT_CALLABLE = "approvals.guessing.locked_out"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # 15 minutes, not for as long as one tries
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "csrfmiddlewaretoken"]  # never kept
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False  # rows of a quarter of an hour; docs/operations.md says how to unlock
AXES_VERBOSE = False
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "approvals:inbox"
LOGOUT_REDIRECT_URL = "login"
SESSION_ENGINE = "approvals.sessions"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_NAME = "__Host-countersign" if SECURE else "countersign"
CSRF_COOKIE_NAME = "__Host-csrf" if SECURE else "csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE

# --- Web security -------------------------------------------------------------------------------
# Only behind a proxy that overwrites the header (Cloud Run sets K_SERVICE and does).
if env.bool("BEHIND_PROXY", default=bool(env.str("K_SERVICE", default=""))):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Which entry from the end of X-Forwarded-For is the client; 0: the header is not read.
CLIENT_HOPS = env.int("CLIENT_HOPS", default=1 if env.str("K_SERVICE", default="") else 0)
SECURE_SSL_REDIRECT = SECURE
SECURE_REDIRECT_EXEMPT = [r"^api/", r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 63_072_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "approvals.views.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "base-uri": [NONE],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "img-src": [SELF],
        "manifest-src": [SELF],
        "object-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "worker-src": [SELF],
    }
}
# The largest request body, in bytes: what the API promises for one approval.
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024

# --- Static files, language, mail, logs ---------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
# What no person reads in their own language is English: the record, the API, logs, commands.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
# Of pages where the browser asks for none of these, and of mails to who has chosen none.
DEFAULT_LANGUAGE = env.str("DEFAULT_LANGUAGE", default="en")
if DEFAULT_LANGUAGE not in dict(LANGUAGES):
    raise ImproperlyConfigured(f"DEFAULT_LANGUAGE is one of {', '.join(dict(LANGUAGES))}.")
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True
FORMAT_MODULE_PATH = "config.formats"
# Without a mail server nobody is told by mail, and nothing waits until there is one.
_mail_server = env.str("EMAIL_URL", default="")
TELL_BY_MAIL = bool(_mail_server)
vars().update(env.email_url_config(_mail_server or "dummymail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str(
    "MAIL_FROM", default=f"Countersign <countersign@{BASE_URL.partition('://')[2].split(':')[0]}>"
)
# Seconds for which a worker that died keeps its notices from the others.
NOTICE_LEASE = 120

LOG_FORMAT = env.str("LOG_FORMAT", default="text" if sys.stderr.isatty() else "json")
LOGGING = logging_config(LOG_FORMAT, GOOGLE_CLOUD_PROJECT)
# Whoever reads /metrics sends it as a bearer token; empty: nobody does, but for development.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
