"""The pages for looking."""

from django.urls import path

from django_site.dashboard import views

urlpatterns = [
    path("", views.LiveView.as_view(), name="live"),
    path("stations/", views.StationsView.as_view(), name="stations"),
    path("chat/", views.ChatView.as_view(), name="chat"),
]
