"""What every party does with the protocol package: encode a row, write messages and read them again."""

from cryptable_protocol import EncryptedTensor, MaskStream, ThermometerEncoder, encode_rows

feature = ThermometerEncoder("age", (18.0, 40.0, 65.0))
(values,) = encode_rows((feature,), [[50.0]])
assert values.tolist() == [1, 1, 0]
assert MaskStream(bytes(16)).words(0, 2).tolist() != MaskStream(b"\1" * 16).words(0, 2).tolist()
assert EncryptedTensor is not None
