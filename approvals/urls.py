"""Addresses of the pages."""

from django.urls import path, re_path

from approvals import views

app_name = "approvals"

urlpatterns = [
    path("", views.inbox, name="inbox"),
    path("news/", views.news, name="news"),
    path("views/", views.saved_views, name="saved_views"),
    path("views/<int:pk>/", views.change_view, name="change_view"),
    path("views/<int:pk>/remove/", views.remove_view, name="remove_view"),
    path("bulk/", views.bulk, name="bulk"),
    path("bulk/confirm/", views.bulk_confirm, name="bulk_confirm"),
    path("approvals/<uuid:pk>/", views.detail, name="detail"),
    path("approvals/<uuid:pk>/way/", views.way, name="way"),
    path("approvals/<uuid:pk>/decide/", views.decide, name="decide"),
    path("approvals/<uuid:pk>/take-back/", views.take_back, name="take_back"),
    path("approvals/<uuid:pk>/receipt/", views.receipt, name="receipt"),
    path("approvals/<uuid:pk>/receipt.json", views.receipt_file, name="receipt_file"),
    path("receipt-keys.json", views.receipt_keys, name="receipt_keys"),
    path("export/", views.export, name="export"),
    re_path(r"^export/approvals\.(?P<kind>csv|json)$", views.export, name="export_file"),
    path("approvals/<uuid:pk>/say/", views.say, name="say"),
    path("approvals/<uuid:pk>/hand-over/", views.hand_over, name="hand_over"),
    path("approvals/<uuid:pk>/reassign/<int:approver>/", views.reassign, name="reassign"),
    path("attention/<str:noun>/<str:verb>/<path:key>/", views.attend, name="attend"),
    path("insights/", views.insights, name="insights"),
    re_path(
        r"^insights/(?P<name>outcomes|types|groups|people)\.svg$",
        views.insights_chart,
        name="insights_chart",
    ),
    re_path(
        r"^insights/(?P<name>outcomes|types|groups|people)\.csv$",
        views.insights_file,
        name="insights_file",
    ),
    path("start/", views.start_list, name="start_list"),
    path("start/started/<uuid:pk>/", views.started, name="started"),
    re_path(r"^start/(?P<workflow>[A-Za-z][A-Za-z0-9_-]{0,127})/$", views.start, name="start"),
    path("manifest.webmanifest", views.manifest, name="manifest"),
    path("sw.js", views.worker, name="worker"),
    path("offline/", views.offline, name="offline"),
    path("profile/", views.profile, name="profile"),
    path("profile/absences/", views.absence, name="absence"),
    path("profile/absences/<int:pk>/end/", views.end_absence, name="end_absence"),
    path("profile/telling/", views.telling, name="telling"),
    path("profile/tokens/", views.token, name="token"),
    path("profile/tokens/<int:pk>/revoke/", views.revoke_token, name="revoke_token"),
]
