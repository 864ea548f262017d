"""Headless Firefox by Marionette, the protocol that it speaks itself: a page is opened, a function of it called."""

import json
import socket
import subprocess
from contextlib import contextmanager

from waiting import until

COMMAND, ANSWER = 0, 1
SECONDS = 600.0
PREFERENCES = {
    "marionette.port": 0,  # a free one, which Firefox then writes into its profile
    "app.update.auto": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}


class Firefox:
    """A session."""

    def __init__(self, connection):
        self._stream = connection.makefile("rwb")
        self._calls = 0
        self._message()  # it says hello
        # The server's certificate is a test's, which no browser trusts.
        granted = self._call("WebDriver:NewSession", acceptInsecureCerts=True, timeouts={"script": int(1000 * SECONDS)})
        assert granted["capabilities"]["acceptInsecureCerts"]

    def open(self, url):
        """Load a page."""
        self._call("WebDriver:Navigate", url=url)

    def called(self, name, *arguments):
        """What an asynchronous function of the page's makes of the arguments, once the page has it."""
        script = """
            const [name, given, done] = arguments;
            const call = () => window[name]
                ? window[name](...given).then((value) => done({ value }), (error) => done({ error: String(error) }))
                : setTimeout(call, 20);
            call();
        """
        answer = self._call("WebDriver:ExecuteAsyncScript", script=script, args=[name, list(arguments)])["value"]
        assert "error" not in answer, answer
        return answer["value"]

    def close(self):
        """End it."""
        self._call("Marionette:Quit", flags=["eForceQuit"])

    def _call(self, name, **parameters):
        self._calls += 1
        data = json.dumps([COMMAND, self._calls, name, parameters]).encode()
        self._stream.write(b"%d:%s" % (len(data), data))
        self._stream.flush()
        kind, number, error, result = self._message()
        assert (kind, number, error) == (ANSWER, self._calls, None), error
        return result

    def _message(self):
        size = b""
        while not size.endswith(b":"):
            byte = self._stream.read(1)
            assert byte, "Firefox is gone"
            size += byte
        return json.loads(self._stream.read(int(size[:-1])))


@contextmanager
def running(executable, profile):
    """A session of a new Firefox, whose profile lies in an empty folder."""
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines))
    command = [executable, "--headless", "--no-remote", "--marionette", "--profile", profile]
    with (profile / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            port = profile / "MarionetteActivePort"
            until(lambda: port.is_file() and port.read_text(), about=(profile / "log").read_text)
            with socket.create_connection(("127.0.0.1", int(port.read_text())), timeout=SECONDS) as connection:
                firefox = Firefox(connection)
                yield firefox
                firefox.close()
            process.wait(60)
        finally:
            process.kill()
