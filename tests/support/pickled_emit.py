"""What Debian's python-socketio publishes for an emit, in hexadecimal."""
import pickle

import socketio


class Printed(socketio.PubSubManager):
    def _publish(self, data):
        print(pickle.dumps(data).hex())

    def _handle_emit(self, message):
        pass  # it has no connections of its own


manager = Printed(write_only=True)
manager.emit("reply", {"text": "hi"})
