"""The chat of the introduction: one class that talks to a browser, a handheld radio and a broker, unchanged."""

from edge.consumers import WebsocketConsumer


class ChatConsumer(WebsocketConsumer):
    """Greets, repeats what it is told, and learns a name by ``/name``."""

    def connect(self) -> None:
        """Welcome the peer."""
        self.username = "Anonymous"
        self.accept()
        self.send(text=f"[Welcome {self.username}!]")

    def receive(self, text: str | None) -> None:  # type: ignore[override]  # a handler takes what it names
        """Answer a text; bytes are not a text."""
        if text is None:
            self.send(text="[This chat understands text only]")
        elif text.startswith("/name"):
            self.username = text[5:].strip()
            self.send(text=f"[set your username to {self.username}]")
        else:
            self.send(text=f"{self.username}: {text}")
