"""Tokens as an identity provider signs them. Runs in ministack's environment (cryptography).

python make_tokens.py ISSUER AUDIENCE  ->  JSON: {"jwks": ..., "tokens": {name: token}}
"""

import base64
import json
import sys
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

HOUR = 3600


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def token(key: rsa.RSAPrivateKey, claims: dict) -> str:
    header = {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    text = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    return f"{text}.{encoded(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def main(issuer: str, audience: str) -> None:
    key, stranger = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    public = key.public_key().public_numbers()
    now = int(time.time())
    claims = {"iss": issuer, "aud": audience, "sub": "user", "iat": now, "exp": now + HOUR}
    tokens = {
        "good": token(key, claims),
        "forged": token(stranger, claims),
        "expired": token(key, {**claims, "iat": now - 2 * HOUR, "exp": now - HOUR}),
        "for another audience": token(key, {**claims, "aud": "somebody-else"}),
        "of another issuer": token(key, {**claims, "iss": "https://elsewhere.example"}),
    }
    modulus, exponent = number(public.n), number(public.e)
    entry = {"kty": "RSA", "kid": "key-1", "alg": "RS256", "use": "sig"}
    jwks = {"keys": [{**entry, "n": modulus, "e": exponent}]}
    print(json.dumps({"jwks": jwks, "tokens": tokens}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
