"""How to trust the box: for everybody, because whoever cannot sign in safely yet needs it first."""

from django.urls import path

from django_site.tls import views

urlpatterns = [
    path("", views.trust, name="tls"),
    path("box.crt", views.box_certificate, name="box-certificate"),
]
