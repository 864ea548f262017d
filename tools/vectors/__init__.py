"""The bytes in protos/vectors: what every reader of the wire format must accept, and what it must refuse."""
