"""The rules of circuits, by kind of node: what the verifier checks, and what it limits circuits by."""
