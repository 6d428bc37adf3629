"""Addresses: the pages, the API, the admin, health checks and metrics."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from approvals import health
from approvals.api import api

urlpatterns = [
    path("", include("approvals.urls")),
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
    path("sign-in/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("sign-out/", auth.LogoutView.as_view(), name="logout"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.prometheus, name="metrics"),
]
