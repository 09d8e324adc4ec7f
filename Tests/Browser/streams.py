"""The API as a browser's own programs use it: live streams as WebSocket, and Swagger UI."""

LISTEN = """(path) => new Promise((done) => {
    const texts = [], socket = new WebSocket("wss://" + location.host + path);
    const end = (why) => { done({ why, texts }); socket.close(1000); };
    socket.onmessage = (event) => { texts.push(JSON.parse(event.data)); end("heard"); };
    socket.onclose = (event) => end("closed " + event.code);
    setTimeout(() => end("silent"), 15000);
})"""


def web_socket(desk):
    """A session's page listens: to sensors at once, over whichever HTTP the browser has open."""
    page = desk.open()
    desk.settle(page)
    handshakes = []
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.webSocketHandshakeResponseReceived", lambda event: handshakes.append(event["response"]["status"]))
    heard = page.evaluate(LISTEN, "/v1/live/sensors")
    assert heard["why"] == "heard" and heard["texts"][0]["event"] == "sensor", heard
    assert heard["texts"][0]["data"]["id"] == "hq:edge1", heard
    # 200: an extended CONNECT of the connection that the page came by (RFC 8441).
    assert handshakes == [200], handshakes
    refused = page.evaluate(LISTEN, "/v1/live/nothing")
    assert refused["why"].startswith("closed"), refused
    desk.check(page)


def stranger(desk):
    """Nobody without a session hears anything."""
    page = desk.open(signed_in=False)
    heard = page.evaluate(LISTEN, "/v1/live/sensors")
    assert heard == {"why": "closed 1006", "texts": []}, heard


def docs(desk):
    """Swagger UI shows the operations, or says how to install it."""
    page = desk.open()
    answer = page.goto(desk.world.url + "/docs/")
    if answer.status == 404:
        assert "deploy/api-docs" in answer.text(), answer.text()
        return
    page.wait_for_selector("text=followSensors", state="attached")
    assert page.evaluate("() => violations") == [], page.evaluate("() => violations")


tests = [("a WebSocket in a page", web_socket), ("a WebSocket without a session", stranger), ("Swagger UI", docs)]
