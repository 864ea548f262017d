"""SecretKeys: an opaque handle on a user's secret keys, which stay in this process and in encrypted files."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from cryptable_protocol.errors import InvalidInputError
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.schemes.scheme import Keyset

from cryptable_client.errors import KeysRetiredError
from cryptable_client.keys import key_file
from cryptable_client.keys.key_file import Mark
from cryptable_client.keys.lifetime import Lifetime
from cryptable_client.keys.spooled import SpooledEvaluationKeys
from cryptable_client.schemes.scheme import (
    SECURITY_BITS,
    AnyScheme,
    KeyMaterial,
    check_keyset,
    check_security,
    scheme_called,
)


class SecretKeys:
    """The secret keys of one keyset.

    Made by `generate` or `load` only; shows nothing of its content, and refuses to be pickled or copied. `close`, or
    the end of a `with` block, overwrites the keys in memory: Python may have left copies of parts elsewhere, and the
    arithmetic is not constant-time for someone who runs code on the same machine.
    """

    _keyset: Keyset
    _scheme: AnyScheme
    _material: KeyMaterial | None
    _lifetime: Lifetime
    _marks: Mark
    _files: dict[Path, bytes]
    _evaluation_keys: SpooledEvaluationKeys | None
    _lock: threading.Lock

    def __init__(self) -> None:
        raise TypeError("SecretKeys are made by SecretKeys.generate(spec) or SecretKeys.load(path, passphrase=...)")

    @classmethod
    def generate(
        cls,
        parameters: ClientSpec | Keyset,
        *,
        expires: datetime | None = None,
        security_bits: int = SECURITY_BITS,
    ) -> SecretKeys:
        """New keys, from the system's randomness.

        Args:
            parameters: a model's specification, or its keyset alone.
            expires: when they stop being used, with a time zone; None: never. Saved with them.
            security_bits: that the parameters must give: 128 or 132.

        Raises:
            WeakParametersError: the parameters are refused; nothing random was drawn.
            InvalidInputError: `expires` has no time zone or has passed.
        """
        if isinstance(parameters, ClientSpec):
            check_security(parameters, security_bits=security_bits)
            keyset = parameters.parameters.keyset
        else:
            check_keyset(parameters, security_bits=security_bits)
            keyset = parameters
        lifetime = Lifetime.until(expires)
        return cls._adopt(keyset, scheme_called(keyset.scheme).generate(keyset), lifetime)

    @classmethod
    def _adopt(cls, keyset: Keyset, material: KeyMaterial, lifetime: Lifetime | None = None) -> SecretKeys:
        """From the keyset's own key material, which becomes this handle's."""
        secret_keys = object.__new__(cls)
        secret_keys._keyset = keyset
        # Found here and not where the handle is closed, which may be while the interpreter ends, without imports.
        secret_keys._scheme = scheme_called(keyset.scheme)
        secret_keys._material = material
        secret_keys._lifetime = lifetime or Lifetime.until(None)
        secret_keys._marks = Mark.NONE
        secret_keys._files = {}
        secret_keys._evaluation_keys = None
        secret_keys._lock = threading.Lock()
        return secret_keys

    @property
    def keyset(self) -> Keyset:
        """The parameters that these keys are for."""
        return self._keyset

    @property
    def created(self) -> datetime:
        """When they were made, to the second."""
        return self._lifetime.created

    @property
    def expires(self) -> datetime | None:
        """When they stop being used; None: never."""
        return self._lifetime.expires

    def check_not_expired(self) -> None:
        """Raise KeysExpiredError where these keys are past their date."""
        self._lifetime.check("these secret keys")

    @property
    def retired(self) -> bool:
        """Whether a server was found to answer wrongly under them: then they decrypt, and encrypt no more."""
        return Mark.RETIRED in self._marks

    def check_may_encrypt(self) -> None:
        """Raise KeysExpiredError where these keys are past their date, KeysRetiredError where they are retired."""
        self.check_not_expired()
        if self.retired:
            raise KeysRetiredError(
                "these secret keys are retired, since a server answered spot checks wrongly under them: they decrypt "
                "and never encrypt again. Make new ones (`cryptable-client keys rotate`)"
            )

    def _look_again(self) -> None:
        """See what other processes have marked in the files that these keys are known to be in."""
        for path, identity in self._files.items():
            self._marks |= key_file.marks_of(path, identity) or Mark.NONE

    def _begin_checks(self) -> None:
        """Spot checks begin, durably: the only ones that these keys ever get.

        Raises:
            InvalidInputError: they had some, in this process or another.
            KeyFileError: a file could not be marked, for another process was at it.
            OSError: a file cannot be written.
        """
        with self._lock:
            self._look_again()
            had_some = Mark.CHECKED in self._marks
            self._marks |= Mark.CHECKED
            marked = [key_file.mark(path, identity, Mark.CHECKED) for path, identity in self._files.items()]
        if had_some or False in marked:
            raise InvalidInputError(
                "these secret keys had spot checks before, and a secret gives one verdict in its life: connect without "
                "secret_keys=..., which makes new ones, or replace them (`cryptable-client keys rotate`)"
            )

    def _retire(self) -> None:
        """Never encrypt again, in this process at once, and durably in the files that these keys are known to be in.

        Raises:
            KeyFileError: a file could not be marked.
            OSError: the same.
        """
        self._marks |= Mark.RETIRED
        for path, identity in self._files.items():
            key_file.mark(path, identity, Mark.RETIRED)

    @property
    def closed(self) -> bool:
        """Whether the keys were overwritten."""
        return self._material is None

    def _key_material(self) -> KeyMaterial:
        """What the scheme's code takes, for the package's own modules: the keys themselves, not a copy."""
        if self.closed:
            raise InvalidInputError("these secret keys are closed: generate or load them again")
        return self._material

    def _spooled(self, make: Callable[[SecretKeys], SpooledEvaluationKeys]) -> SpooledEvaluationKeys:
        """The evaluation keys of these keys, made at the first call; they live as long as this handle."""
        with self._lock:
            if self._evaluation_keys is None:
                self._evaluation_keys = make(self)
            return self._evaluation_keys

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        passphrase: str | None = None,
        insecure_plaintext: bool = False,
        overwrite: bool = False,
    ) -> None:
        """Write a key file (docs/key-file.md), whole or not at all, that only this user may read.

        Args:
            path: where to.
            passphrase: encrypts the file: scrypt and AES-256-GCM. At least 8 characters.
            insecure_plaintext: write the keys unencrypted instead.
            overwrite: replace a file that exists. Its keys are then lost, with all that only they decrypt.

        Raises:
            InvalidInputError: no passphrase and no `insecure_plaintext`, or both, or the file exists.
            OSError: the file cannot be written.
        """
        self._files[Path(path).absolute()] = key_file.write(
            path,
            self._keyset,
            self._key_material(),
            self._lifetime,
            passphrase=passphrase,
            insecure_plaintext=insecure_plaintext,
            overwrite=overwrite,
            marks=self._marks,
        )

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        passphrase: str | None = None,
        insecure_plaintext: bool = False,
        allow_expired: bool = False,
    ) -> SecretKeys:
        """Read a key file.

        Args:
            path: where from.
            passphrase: the one that it was saved with.
            insecure_plaintext: the file is unencrypted, and that is meant.
            allow_expired: load keys past their date or retired too, to decrypt what they encrypted.

        Raises:
            KeysExpiredError: the keys are past their date.
            KeysRetiredError: they are retired: a server answered wrongly under them.
            WrongPassphraseError: the passphrase is another.
            CorruptedKeyFileError: the file is damaged, or no key file.
            KeyFileError: it is encrypted and there is no passphrase, or unencrypted without `insecure_plaintext`, or
                others may read it.
            WeakParametersError: its keyset is not secure.
            OSError: it cannot be read.
        """
        found = key_file.read(path, passphrase=passphrase, insecure_plaintext=insecure_plaintext)
        if not allow_expired:
            found.lifetime.check(f"the keys in {Path(path)}")
            if Mark.RETIRED in found.marks:
                raise KeysRetiredError(
                    f"the keys in {Path(path)} are retired, since a server answered spot checks wrongly under them: "
                    "replace them (`cryptable-client keys rotate`), or load them with allow_expired=True to decrypt "
                    "older answers"
                )
        check_keyset(found.keyset)
        secret_keys = cls._adopt(found.keyset, found.material, found.lifetime)
        secret_keys._marks = found.marks
        secret_keys._files[Path(path).absolute()] = found.identity
        return secret_keys

    def close(self) -> None:
        """Overwrite the keys and remove their temporary files. Any further use is an InvalidInputError."""
        if self._evaluation_keys is not None:
            self._evaluation_keys.close()
            self._evaluation_keys = None
        if self._material is not None:
            self._scheme.erase(self._material)
            self._material = None

    def __enter__(self) -> SecretKeys:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_material", None) is not None:
            self.close()

    def __repr__(self) -> str:
        return f"<SecretKeys of keyset {self._keyset.name.hex()[:16]}{', closed' if self.closed else ''}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("SecretKeys cannot be pickled or copied: pass the handle on, or save(path, passphrase=...)")

    def __copy__(self) -> NoReturn:
        raise TypeError("SecretKeys cannot be copied: pass the handle itself on")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("SecretKeys cannot be copied: pass the handle itself on")
