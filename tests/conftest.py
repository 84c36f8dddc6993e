"""For all tests: Ctrl-C works in what they start, also where the tests themselves were started in the background."""

import signal


def pytest_configure():
    # A shell without job control starts a background job with SIGINT ignored, and every child inherits that: Ctrl-C would do nothing.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
