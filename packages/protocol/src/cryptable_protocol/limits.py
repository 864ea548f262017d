"""What a reader accepts at most; protos/SPEC.md repeats these figures, and a test compares the two."""

MAX_ARTIFACT_BYTES = 64 << 20
MAX_CLIENT_SPEC_BYTES = 16 << 20
MAX_CIRCUIT_BYTES = 32 << 20
"""Small, because a parser may turn one byte of a list of integers into sixteen of memory."""
MAX_PARTS = 1 << 19
"""Submessages and strings in one canonical message, at every depth together."""
MAX_CIRCUIT_NODES = 4096
MAX_VECTOR_SIZE = 1 << 17
"""Elements of an input tensor, an output tensor, or a value inside a circuit; also features of a model."""
MAX_AFFINE_LEVELS = 1 << 24
"""Levels of an affine or polyline encoder."""
MAX_KNOTS = 1 << 12
"""Knots of a polyline encoder."""
MAX_CURVES = 64
"""Curves of one number."""
MAX_FURTHER_BITS = 2
"""Bits of a result that are read although they are noisy. A step of the lowest is 3 standard deviations, about."""
MAX_FURTHER_WIDTH = 60
"""Bits of a result, the noisy ones included, where there are any."""
MAX_NAME_LENGTH = 256
"""Characters (code points) of a name: of a model, its version, a feature, a label, an estimator, a package."""
MAX_PACKAGES = 256
"""Packages named in an artifact's provenance."""
MAX_KEYS_PER_KIND = 16
"""Secret, bootstrap and keyswitch keys in a keyset, each."""
MAX_LWE_DIMENSION = 1 << 17
MAX_LEVELLED_POLYNOMIALS = 64
"""Polynomials of one row of the scheme levelled: half a megabyte."""
MAX_EVALUATION_KEYS_BYTES = 4 << 30
MAX_MESSAGE_BYTES = 64 << 20
"""One gRPC message."""
MAX_BULK_BYTES = 512 << 20
"""A tensor of rows in bulk, which is no message: it travels in pieces."""
MAX_MODEL_LIST_BYTES = 1 << 18
"""A server's list of its models: a parser may turn two bytes of it into a hundred of memory."""
CHUNK_BYTES = 1 << 20
"""Data of one EvaluationKeysChunk, but for the last."""
MAX_KNOWN_ANSWERS_BYTES = 64 << 20
"""A file of rows with known answers: 300 rows of 1000 integers take 3.2 MB."""
MAX_CARD_BYTES = 1 << 20
"""A model card."""
