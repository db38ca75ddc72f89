"""A chat client in Python: `echo_client.py URL ROOM NAME TRANSPORT`. Answers whatever others say, and
prints what happens as lines of JSON."""
import json
import sys

import socketio

url, room, name, transport = sys.argv[1:]
client = socketio.Client(reconnection=False)
answered = 0


def say(kind, value):
    print(json.dumps({"kind": kind, "value": value}), flush=True)


@client.on("room:message")
def on_message(message):
    global answered
    text = message["body"]["text"]  # as the chat page writes it
    say("message", text)
    if message["from"].get("name") == name:
        return
    answered += 1
    answer = {"room": room, "id": f"{name}-{answered}", "body": {"text": f"You said: {text}"}}
    client.emit("room:send", answer, callback=lambda reply: say("sent", reply["ok"]))


@client.on("reply")
def on_reply(data):
    say("reply", data)


client.connect(url, auth={"session": f"python-{name}", "name": name}, transports=[transport])
say("joined", client.call("room:join", {"room": room})["ok"])
client.wait()
