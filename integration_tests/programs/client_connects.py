"""An end user's session with the server of server_serves.py, whose address is the one argument."""

import sys

from cryptable_client import connect

with connect(sys.argv[1], model="count", insecure=True) as remote:
    assert remote.predict([[50.0], [10.0], [70.0]]).tolist() == [2.0, 0.0, 3.0]
