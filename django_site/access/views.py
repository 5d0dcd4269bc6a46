"""Signing in by link, and choosing a password afterwards."""

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import FormView, View

from django_site.access.links import look_at_link, use_link

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    PasswordFormView = FormView[SetPasswordForm[User]]
else:  # Django's classes take no type argument when the site runs
    PasswordFormView = FormView

BACKEND = "django.contrib.auth.backends.ModelBackend"
GONE = 410


@method_decorator(never_cache, name="dispatch")
class LoginLinkView(View):
    """A login link. GET shows a button and changes nothing, POST uses the link up."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """Show whom the link signs in, with the button."""
        user = look_at_link(token)
        return render(request, "access/link.html", {"link_user": user}) if user else _gone(request)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Sign in, once."""
        user = use_link(token)
        if user is None:
            return _gone(request)
        login(request, user, backend=BACKEND)
        return redirect("live")


class ChoosePasswordView(LoginRequiredMixin, PasswordFormView):
    """Choose a first password. Whoever has one changes it in the admin, which asks for the old one."""

    form_class: "type[SetPasswordForm[User]]" = SetPasswordForm
    template_name = "access/password.html"
    success_url = reverse_lazy("live")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Send whoever has a password to the page that asks for it."""
        if request.user.is_authenticated and request.user.has_usable_password():
            return redirect("admin:password_change")
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        """Tell the form whose password it is."""
        return {**super().get_form_kwargs(), "user": self.request.user}

    def form_valid(self, form: "SetPasswordForm[User]") -> HttpResponse:
        """Save it, and stay signed in."""
        update_session_auth_hash(self.request, form.save())
        messages.success(self.request, "Your password is set. Next time, sign in with it.")
        return super().form_valid(form)


def _gone(request: HttpRequest) -> HttpResponse:
    return render(request, "access/gone.html", status=GONE)
