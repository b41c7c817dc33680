"""Does a proxy do the job at all? Asked before anything is measured: a proxy that lets
everything through would win."""

import contextlib
import http.client
import ssl
import time

from .credentials import Token, path_of
from .process import Failed

REFUSED = (401, 403, 404, 405)


def _ask(running, method, target, authorization):
    if running.job.tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", running.port, timeout=10,
                                                 context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    try:
        headers = {"Authorization": authorization} if authorization else {}
        connection.request(method, target, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def verify(running):
    """The right answers to a right request, wrong credentials, path and method; the upstream
    sees who called, and no credentials."""
    job = running.job
    last, rule = job.tokens[-1], job.rules[-1]
    target = path_of(rule, last.sid)

    def expect(what, wanted, method, target, authorization):
        status, text = _ask(running, method, target, authorization)
        if status not in wanted:
            raise Failed(f"{what}: {status}, not one of {wanted}: {text[:60]!r}")
        return text

    # Some listen before they have read their rules.
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if _ask(running, rule[0], f"{target}?echo", last.authorization)[0] == 200:
                break
        time.sleep(0.1)
    seen = expect("a right request", (200,), rule[0], f"{target}?echo", last.authorization)
    head = seen.lower()
    if "authorization:" in head:
        raise Failed("the upstream was shown the credentials")
    if f"x-auth-sid: {last.sid}".lower() not in head:
        raise Failed(f"the upstream was not told who called: {seen}")
    wrong = Token(last.sid, last.secret[::-1]).authorization
    expect("a wrong auth token", (401,), rule[0], target, wrong)
    unknown = Token(last.sid[::-1], last.secret).authorization
    expect("an unknown SID", (401,), rule[0], target, unknown)
    expect("no credentials", (401,), rule[0], target, None)
    expect("another path", REFUSED, rule[0], target + "/other/thing", last.authorization)
    expect("another method", REFUSED, "DELETE", target, last.authorization)
