"""Static files under ASGI, with DEBUG off, without collectstatic."""

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]  # as it says: untyped
from whitenoise.responders import StaticFile  # type: ignore[import-untyped]  # likewise


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # WhiteNoise has no types
    """WhiteNoise, with each file read whole.

    Its streamed answer is a synchronous iterator: under ASGI Django warns of it, and reads it whole anyway. The largest
    file here is the admin's, of some 300 KB.
    """

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        """Answer with a file, or with 304 where the browser has it."""
        found = static_file.get_response(request.method, request.META)
        content = b""
        if found.file is not None:
            with found.file as file:
                content = file.read()
        response = HttpResponse(content, status=int(found.status), headers=dict(found.headers))
        if not any(name.lower() == "content-type" for name, _ in found.headers):
            del response.headers["Content-Type"]  # Django's default; with a 304 it would become the stored file's type
        return response
