"""What all Cryptable packages share: messages, value encoders and decoders, parameters and exceptions."""

from cryptable_protocol.encoding.bits_encoder import BitsEncoder
from cryptable_protocol.encoding.categorical_encoder import CategoricalEncoder
from cryptable_protocol.encoding.curves_encoder import CurvesEncoder
from cryptable_protocol.encoding.decoder import Decoder, Labels
from cryptable_protocol.encoding.digits_encoder import DigitsEncoder
from cryptable_protocol.encoding.encoders import (
    AffineEncoder,
    FeatureEncoder,
    Missing,
    QuadraticEncoder,
    ThermometerEncoder,
    UnusedFeature,
    encode_rows,
)
from cryptable_protocol.encoding.links import Link
from cryptable_protocol.encoding.members import Member, MemberCurve
from cryptable_protocol.encoding.polyline_encoder import PolylineEncoder
from cryptable_protocol.errors import (
    CryptableError,
    InternalError,
    InvalidInputError,
    LimitExceededError,
    MalformedMessageError,
)
from cryptable_protocol.evaluation_keys import EvaluationKeysHeader
from cryptable_protocol.model.artifact import CompileOptions, ModelArtifact, Provenance
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.model.signature import ModelSignature
from cryptable_protocol.schemes.bootstrapped.keyset import (
    BootstrapKeyParameters,
    CiphertextType,
    KeysetParameters,
    KeyswitchKeyParameters,
    SecretKeyParameters,
)
from cryptable_protocol.schemes.bootstrapped.mask_stream import MaskStream
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from cryptable_protocol.schemes.bootstrapped.tensor import EncryptedTensor
from cryptable_protocol.schemes.scheme import SchemeParameters

__version__ = "0.1.0"

__all__ = [
    "AffineEncoder",
    "BitsEncoder",
    "BootstrapKeyParameters",
    "BootstrappedParameters",
    "CategoricalEncoder",
    "CiphertextType",
    "ClientSpec",
    "CompileOptions",
    "CryptableError",
    "CurvesEncoder",
    "Decoder",
    "DigitsEncoder",
    "EncryptedTensor",
    "EvaluationKeysHeader",
    "FeatureEncoder",
    "InternalError",
    "InvalidInputError",
    "KeysetParameters",
    "KeyswitchKeyParameters",
    "Labels",
    "LimitExceededError",
    "Link",
    "MalformedMessageError",
    "MaskStream",
    "Member",
    "MemberCurve",
    "Missing",
    "ModelArtifact",
    "ModelSignature",
    "PolylineEncoder",
    "Provenance",
    "QuadraticEncoder",
    "SchemeParameters",
    "SecretKeyParameters",
    "ThermometerEncoder",
    "UnusedFeature",
    "__version__",
    "encode_rows",
]
