"""Artifacts, encrypted tensors and headers of evaluation keys that must be refused."""

from __future__ import annotations

from collections.abc import Callable

from cryptable_protocol.messages import artifact, tensor

from vectors import samples
from vectors.vector import Rejected, Type, block, canonical, changed, integer, put


def rejected() -> list[Rejected]:
    """All of them."""
    return [*_files(), *_artifacts(), *_tensors(), *_headers()]


def _files() -> list[Rejected]:
    content = canonical(samples.model_artifact())
    good = samples.artifact_file(content)
    data = canonical(good)
    corrupted = bytearray(data)
    corrupted[len(data) // 2] ^= 1
    cases = {
        "empty": ("an empty file", b""),
        "other_file": ("a file of another kind", b"PK\x03\x04" + bytes(60)),
        "magic": ("another magic", changed(good, lambda file: put(file, magic="cryptable-artifacts"))),
        "version_zero": ("no format version", changed(good, lambda file: file.ClearField("format_version"))),
        "version_two": (
            "format version 2, which is for other schemes than bootstrapped",
            changed(good, lambda file: put(file, format_version=2)),
        ),
        "version_three": ("format version 3", changed(good, lambda file: put(file, format_version=3))),
        "version_129": ("format version 129", changed(good, lambda file: put(file, format_version=129))),
        "version_long": ("format version 1 in two bytes", data[:20] + integer(2, 1, length=2) + data[22:]),
        "digest": ("a digest of something else", canonical(samples.artifact_file(content, digest=bytes(32)))),
        "digest_cut": ("half a digest", changed(good, lambda file: put(file, sha256=file.sha256[:16]))),
        "digest_missing": ("no digest", changed(good, lambda file: file.ClearField("sha256"))),
        "corrupted": ("one bit of the content is another", bytes(corrupted)),
        "cut_short": ("the second half is missing", data[: len(data) // 2]),
        "trailing_bytes": ("a second file behind the first", data + data),
        "unknown_field": ("a field that no version has", data + block(6, b"signature")),
        **_signatures(),
    }
    by_bytes = {"version_long", "cut_short", "trailing_bytes", "unknown_field"}
    return [
        Rejected("model_artifact", case, why, bytes_, "bytes" if case in by_bytes else "fields")
        for case, (why, bytes_) in cases.items()
    ]


def _signatures() -> dict[str, tuple[str, bytes]]:
    good, content = samples.signed_file(), canonical(samples.model_artifact())
    other = samples.signature(content, canonical(samples.regression_spec()))
    resigned = changed(samples.model_artifact(), lambda message: put(message, model_version="2"))
    moved = samples.artifact_file(resigned)
    moved.signature.CopyFrom(good.signature)

    def of(**fields: bytes) -> bytes:
        return changed(good, lambda file: put(file.signature, **fields))

    flipped = bytes([good.signature.signature[0] ^ 1]) + good.signature.signature[1:]
    return {
        "signature_empty": ("a signature with nothing in it", changed(good, lambda file: file.signature.Clear())),
        "signature_short": ("a signature of 63 bytes", of(signature=good.signature.signature[:-1])),
        "signature_wrong": ("a bit of the signature is another", of(signature=flipped)),
        "signature_key_short": ("a public key of 31 bytes", of(public_key=good.signature.public_key[:-1])),
        "signature_key_other": ("another public key than the signer's", of(public_key=bytes(31) + b"\1")),
        "signature_of_other_spec": (
            "a signature over another client spec",
            changed(good, lambda file: file.signature.CopyFrom(other)),
        ),
        "signature_of_other_model": ("the signature of another version of the model", canonical(moved)),
    }


def _artifacts() -> list[Rejected]:
    good = samples.model_artifact()

    def renamed(message: artifact.ModelArtifact) -> None:
        message.model_name = "benign"

    def many_packages(message: artifact.ModelArtifact) -> None:
        message.provenance.packages[:] = [f"package{index} 1" for index in range(257)]

    def nested(message: artifact.ModelArtifact) -> None:
        message.client_spec += integer(15, 1)

    changes: dict[str, tuple[str, Callable[[artifact.ModelArtifact], object]]] = {
        "name_differs": ("another name than its client spec's", renamed),
        "long_version": ("a version of 257 characters", lambda message: put(message, model_version="1" * 257)),
        "no_provenance": ("no provenance", lambda message: message.ClearField("provenance")),
        "many_packages": ("257 packages", many_packages),
        "control_character": ("a line break in a name", lambda message: put(message.provenance, created="a\nb")),
        "no_client_spec": ("no client spec", lambda message: message.ClearField("client_spec")),
        "client_spec_unknown_field": ("a client spec with an unknown field", nested),
        "no_circuit": ("no circuit", lambda message: message.ClearField("circuit")),
        "no_compile_options": ("no compile options", lambda message: message.ClearField("compile_options")),
        "p_error_differs": (
            "compiled for another p_error than its client spec says",
            lambda message: put(message.compile_options, p_error=2.0**-64),
        ),
        "p_error_high": ("p_error 0.5", lambda message: put(message.compile_options, p_error=0.5)),
        "keyset_entry": (
            "a line break in the name of a catalogue entry",
            lambda message: put(message.compile_options, keyset_entry="a\nb"),
        ),
        "security_bits": ("80 bits of security", lambda message: put(message.compile_options, security_bits=80)),
    }
    contents = {case: (why, changed(good, change)) for case, (why, change) in changes.items()}
    contents["content_unknown_field"] = ("an unknown field, with the right digest", canonical(good) + integer(7, 1))
    contents["content_empty"] = ("nothing, with the right digest", b"")
    return [
        Rejected("model_artifact", case, why, canonical(samples.artifact_file(content)), "fields")
        for case, (why, content) in contents.items()
    ]


def _tensors() -> list[Rejected]:
    seeded, masked, trimmed = samples.seeded_tensor(), samples.masked_tensor(), samples.trimmed_tensor()
    data = canonical(seeded)

    def of(message: tensor.EncryptedTensor, **fields: bytes | int) -> bytes:
        return changed(message, lambda copy: put(copy, **fields))

    fields = {
        "empty": ("nothing at all", b""),
        "no_masks": ("bodies alone", changed(seeded, lambda message: message.ClearField("seed"))),
        "no_bodies": ("a seed alone", changed(seeded, lambda message: message.ClearField("bodies"))),
        "seed_empty": ("a seed of no bytes", of(seeded, seed=b"")),
        "seed_short": ("a seed of 15 bytes", of(seeded, seed=bytes(15))),
        "seed_long": ("a seed of 17 bytes", of(seeded, seed=bytes(17))),
        "bodies_cut": ("bodies of 15 bytes", of(seeded, bodies=bytes(15))),
        "masks_cut": ("masks of 47 bytes", of(masked, explicit=bytes(47))),
        "masks_empty": ("masks of no bytes", of(masked, explicit=b"")),
        "masks_uneven": ("5 mask words for 2 ciphertexts", of(masked, explicit=bytes(40))),
        "masks_without_bodies": ("masks of no ciphertexts", of(masked, bodies=b"")),
        "word_bits_missing": ("trimmed words without word_bits", of(trimmed, word_bits=0)),
        "word_bits_small": ("words of 7 bits", of(trimmed, word_bits=7)),
        "word_bits_large": ("words of 64 bits, said to be trimmed", of(trimmed, word_bits=64)),
        "word_bits_of_seed": ("word_bits beside a seed", of(seeded, word_bits=11)),
        "word_bits_of_masks": ("word_bits beside explicit masks", of(masked, word_bits=11)),
        "trimmed_cut": ("5 trimmed mask words for 2 ciphertexts", of(trimmed, trimmed=trimmed.trimmed[:7])),
        "trimmed_long": ("a byte more than the trimmed words need", of(trimmed, trimmed=trimmed.trimmed + b"\0")),
        "trimmed_empty": ("no trimmed mask words", of(trimmed, trimmed=b"")),
        "trimmed_without_bodies": ("trimmed masks of no ciphertexts", of(trimmed, bodies=b"")),
        "trimmed_filling": ("a bit set behind the last trimmed word", of(trimmed, bodies=b"\xff\x07\x80")),
    }
    raw = {
        "seed_and_masks": ("both a seed and masks", block(1, bytes(16)) + block(2, bytes(16)) + block(3, bytes(8))),
        "bodies_twice": ("the bodies twice", data + block(3, bytes(8))),
        "unknown_field": ("a field that no version has", data + integer(15, 1)),
        "seed_and_trimmed": (
            "both a seed and trimmed masks",
            block(1, bytes(16)) + block(3, bytes(2)) + block(4, bytes(2)) + integer(5, 11),
        ),
        "cut_short": ("the last byte is missing", data[:-1]),
    }
    return _rejected("encrypted_tensor", fields, raw)


def _headers() -> list[Rejected]:
    good = samples.keys_header()
    data = canonical(good)

    def of(name: str, value: object) -> bytes:
        return changed(good, lambda message: put(message, **{name: value}))

    fields = {
        "empty": ("nothing at all", b""),
        "no_keyset_name": ("no keyset name", of("keyset_name", b"")),
        "keyset_name_short": ("a keyset name of 31 bytes", of("keyset_name", bytes(31))),
        "digest_long": ("a digest of 33 bytes", of("sha256", bytes(33))),
        "size_zero": ("no bytes", of("size", 0)),
    }
    too_large = [
        Rejected("evaluation_keys_header", case, why, of("size", size), "fields", "LimitExceededError")
        for case, why, size in (
            ("size_large", "one byte more than 4 GiB", 4 * 2**30 + 1),
            ("size_huge", "2^64 - 1 bytes", 2**64 - 1),
        )
    ]
    return [*_rejected("evaluation_keys_header", fields, {"cut_short": ("a byte is missing", data[:-1])}), *too_large]


def _rejected(type_: Type, fields: dict[str, tuple[str, bytes]], raw: dict[str, tuple[str, bytes]]) -> list[Rejected]:
    return [Rejected(type_, case, why, data, "fields") for case, (why, data) in fields.items()] + [
        Rejected(type_, case, why, data, "bytes") for case, (why, data) in raw.items()
    ]
