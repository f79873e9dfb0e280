"""What tells one browser from every other: a random number in a cookie that Streamlit sets in each."""

from __future__ import annotations

COOKIE = "_streamlit_xsrf"  # set before a session is opened, unless server.enableXsrfProtection was switched off


def secret(cookie: str | None) -> str:
    """The random number in the cookie, which stays while its mask changes: `2|mask|masked|time`, in hexadecimal.

    Empty for no cookie, or for one of another form.
    """
    try:
        version, mask, masked, _ = (cookie or "").strip("\"'").split("|")
        key, hidden = bytes.fromhex(mask), bytes.fromhex(masked)
    except ValueError:
        return ""
    if version != "2" or not key or len(hidden) < 16:
        return ""
    return bytes(byte ^ key[i % len(key)] for i, byte in enumerate(hidden)).hex()
