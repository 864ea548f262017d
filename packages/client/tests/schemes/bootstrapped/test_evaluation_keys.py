import hashlib
import io
import os
import subprocess
import sys

import pytest
from cryptable_client.keys.evaluation_keys import write_evaluation_keys
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_protocol import InvalidInputError, MaskStream


def mask_words(seed, first, count):
    return MaskStream(seed).words(first, count)


def make(secret_keys, **options):
    file = io.BytesIO()
    header = write_evaluation_keys(secret_keys, file, **options)
    return header, file.getvalue()


def split(keyset, data):
    """The bootstrap key's bytes and the keyswitch key's."""
    length = keyset.bootstrap_key_bytes(keyset.bootstrap_keys[0])
    return data[:length], data[length:]


def seeds(keyset, data):
    return {part[:16] for part in split(keyset, data)}


@pytest.mark.parametrize("threads", [1, 3])
def test_header_says_what_was_written(keyset, secret_keys, threads):
    header, data = make(secret_keys, threads=threads)
    assert header.keyset_name == keyset.name
    assert header.size == len(data) == keyset.evaluation_keys_bytes
    assert header.sha256 == hashlib.sha256(data).digest()


@pytest.mark.parametrize("threads", [1, 2])
def test_bootstrap_key_rows_have_their_place_message_and_noise(keyset, secret_keys, noise, threads):
    parameters = keyset.bootstrap_keys[0]

    def draw():
        _, data = make(secret_keys, threads=threads)
        return noise.bootstrap_key_noise(
            data, parameters, secret_keys._key_material()[1], secret_keys._key_material()[0], mask_words, bits=60
        )

    noise.assert_noise(draw, parameters.variance)


@pytest.mark.parametrize("threads", [1, 2])
def test_keyswitch_key_rows_have_their_place_message_and_noise(keyset, secret_keys, noise, threads):
    parameters = keyset.keyswitch_keys[0]

    def draw():
        _, data = make(secret_keys, threads=threads)
        bits = secret_keys._key_material()[0], secret_keys._key_material()[1]
        return noise.keyswitch_key_noise(split(keyset, data)[1], parameters, *bits, mask_words)

    noise.assert_noise(draw, parameters.variance)


def test_every_key_has_a_seed_of_its_own_each_time(keyset, secret_keys):
    drawn = [seed for _ in range(10) for seed in seeds(keyset, make(secret_keys)[1])]
    assert len(set(drawn)) == 20


def test_seeds_differ_after_an_interruption(keyset, secret_keys):
    """Whatever reached the disk before Ctrl-C is never continued by other bytes under its seed."""

    class Interrupted(io.BytesIO):
        def write(self, chunk):
            if self.tell() > 1 << 20:
                raise KeyboardInterrupt
            return super().write(chunk)

    file = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        write_evaluation_keys(secret_keys, file, threads=2)
    first_seed = file.getvalue()[:16]
    assert first_seed not in seeds(keyset, make(secret_keys)[1])


def test_no_seed_can_be_chosen(secret_keys):
    with pytest.raises(TypeError):
        write_evaluation_keys(secret_keys, io.BytesIO(), seed=bytes(16))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_seeds_and_noise_differ_after_a_fork(keyset, secret_keys, tmp_path):
    make(secret_keys, threads=1)
    child = os.fork()
    if not child:
        (tmp_path / "child").write_bytes(make(secret_keys, threads=1)[1])
        os._exit(0)
    os.waitpid(child, 0)
    from_child, from_parent = (tmp_path / "child").read_bytes(), make(secret_keys, threads=1)[1]
    assert len(from_child) == len(from_parent)
    assert not seeds(keyset, from_child) & seeds(keyset, from_parent)


def test_a_file_that_takes_little_at_a_time(secret_keys):
    class Slow(io.RawIOBase):
        taken = b""

        def write(self, chunk):
            part = bytes(chunk[:100_000])
            self.taken += part
            return len(part)

    file = Slow()
    header = write_evaluation_keys(secret_keys, file)
    assert hashlib.sha256(file.taken).digest() == header.sha256


def test_progress_counts_to_the_whole(secret_keys):
    told = []
    header, _ = make(secret_keys, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (header.size, header.size)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_models_without_lookups_have_no_evaluation_keys(keyset_without_lookups):
    with SecretKeys.generate(keyset_without_lookups) as keys, pytest.raises(InvalidInputError, match="no lookups"):
        write_evaluation_keys(keys, io.BytesIO())


def test_threads_must_be_positive(secret_keys):
    with pytest.raises(InvalidInputError, match="threads"):
        make(secret_keys, threads=0)


def test_a_full_disk_is_reported_and_ends_the_threads(secret_keys):
    class Full(io.BytesIO):
        def write(self, _chunk):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_evaluation_keys(secret_keys, Full(), threads=2)


MEMORY = """
import resource, sys
from cryptable_client.keys.evaluation_keys import write_evaluation_keys
from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.schemes.bootstrapped.security import minimum_log2_deviation
from cryptable_protocol import BootstrapKeyParameters, KeysetParameters, KeyswitchKeyParameters, SecretKeyParameters

least = lambda dimension: 2.0 ** (2 * minimum_log2_deviation(dimension))
size = int(sys.argv[1])
keyset = KeysetParameters(
    (SecretKeyParameters(0, size), SecretKeyParameters(1, 800)),
    (BootstrapKeyParameters(0, 1, 0, 2, 15, 1, size, least(size)),),
    (KeyswitchKeyParameters(0, 0, 1, 5, 3, least(800)),),
)
class Nowhere:
    def write(self, chunk):
        return len(chunk)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
write_evaluation_keys(SecretKeys.generate(keyset), Nowhere(), threads=2)
print(keyset.evaluation_keys_bytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_memory_does_not_grow_with_the_keys():
    def run(size):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(size)], check=True, capture_output=True, text=True, timeout=120
        )
        return [int(word) for word in done.stdout.split()]

    (small, small_growth), (large, large_growth) = run(1024), run(8192)
    assert large > 7 * small
    assert large > 200_000_000
    assert large_growth < 90_000
    assert large_growth < small_growth + 30_000
