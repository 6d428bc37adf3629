"""Addresses of the pages."""

from django.urls import path

from approvals import views

app_name = "approvals"

urlpatterns = [
    path("", views.inbox, name="inbox"),
    path("approvals/<uuid:pk>/", views.detail, name="detail"),
    path("approvals/<uuid:pk>/decide/", views.decide, name="decide"),
    path("approvals/<uuid:pk>/receipt/", views.receipt, name="receipt"),
]
