from __future__ import annotations

import pytest

from housing_ml.bundle.signing import SignatureError, new_key, public_key, sign, verify

DIGEST = "d" * 64


def test_what_is_signed_is_verified_by_its_public_key_alone() -> None:
    private, public = new_key()

    verify(DIGEST, sign(DIGEST, private), [public])
    assert public_key(private) == public


def test_a_service_may_know_an_old_and_a_new_key() -> None:
    (old, old_public), (new, new_public) = new_key(), new_key()

    for private in (old, new):
        verify(DIGEST, sign(DIGEST, private), [old_public, new_public])


def test_another_digest_another_key_or_no_signature_is_refused() -> None:
    private, public = new_key()
    signature = sign(DIGEST, private)

    with pytest.raises(SignatureError, match="none of the 1 known keys"):
        verify("e" * 64, signature, [public])
    with pytest.raises(SignatureError, match="none of the 1 known keys"):
        verify(DIGEST, signature, [new_key()[1]])
    with pytest.raises(SignatureError, match="none of the 0 known keys"):
        verify(DIGEST, signature, [])
    with pytest.raises(SignatureError, match="is not signed"):
        verify(DIGEST, None, [public])


@pytest.mark.parametrize("text", ["", "no base64!", "QUJD"])
def test_what_is_no_key_or_signature_is_named(text: str) -> None:
    private, public = new_key()

    with pytest.raises(SignatureError, match="private key"):
        sign(DIGEST, text)
    with pytest.raises(SignatureError, match="public key"):
        verify(DIGEST, sign(DIGEST, private), [text])
    with pytest.raises(SignatureError, match="the signature is no"):
        verify(DIGEST, text, [public])
