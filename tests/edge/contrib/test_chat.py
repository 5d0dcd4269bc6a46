import pytest

from edge.contrib.chat import ChatConsumer
from edge.testing import ConversationCommunicator, WebsocketCommunicator


def make(over):
    app = ChatConsumer.as_asgi()
    return WebsocketCommunicator(app, "/ws/chat/") if over == "websocket" else ConversationCommunicator(app)


@pytest.mark.parametrize("over", ["websocket", "conversation"])
async def test_it_welcomes_learns_a_name_and_repeats(over):
    peer = make(over)
    accepted, _ = await peer.connect()
    assert accepted
    assert await peer.receive_from() == "[Welcome Anonymous!]"
    await peer.send_to(text_data="hello")
    assert await peer.receive_from() == "Anonymous: hello"
    await peer.send_to(text_data="/name Mia")
    assert await peer.receive_from() == "[set your username to Mia]"
    await peer.send_to(text_data="hello")
    assert await peer.receive_from() == "Mia: hello"
    await peer.disconnect()


async def test_bytes_get_an_answer_instead_of_an_error():
    peer = make("websocket")
    await peer.connect()
    await peer.receive_from()
    await peer.send_to(bytes_data=b"\xff")
    assert await peer.receive_from() == "[This chat understands text only]"
    await peer.disconnect()
